"""Layouts of corpora. A new layout is one function, and one line here."""

from __future__ import annotations

from lst_cli.audio.layouts.embedded import EMBEDDED
from lst_cli.audio.layouts.folder import FOLDER, VCTK
from lst_cli.audio.layouts.folder_tables import AUDIO_FOLDER, COMMON_VOICE, LJSPEECH
from lst_cli.audio.layouts.lhotse import LHOTSE
from lst_cli.audio.layouts.librilight import LIBRILIGHT
from lst_cli.audio.layouts.librispeech import LIBRISPEECH, MLS
from lst_cli.audio.layouts.listing import CorpusLayout, Entry, Listing, files_below
from lst_cli.audio.layouts.manifest_file import MANIFEST
from lst_cli.errors import UserError
from lst_cli.storage.bucket_path import AnyPath

__all__ = ["LAYOUTS", "Entry", "CorpusLayout", "Listing", "choose_layout"]

# The first that recognises a source reads it: the particular ones stand before the general ones.
LAYOUTS: dict[str, CorpusLayout] = {
    layout.name: layout
    for layout in (
        *(LIBRISPEECH, MLS, LIBRILIGHT, LHOTSE, EMBEDDED),
        *(LJSPEECH, AUDIO_FOLDER, COMMON_VOICE, VCTK, MANIFEST, FOLDER),
    )
}


def choose_layout(source: AnyPath, name: str | None = None) -> CorpusLayout:
    """The layout of that name, or the one that recognises the source.

    :raises UserError: there is no such source or layout, or no layout recognises the source.
    """
    if not source.exists():
        raise UserError(f"{source}: no such file or folder", fix="give a folder of audio, or a manifest")
    if name is not None and name not in LAYOUTS:
        raise UserError(f"--layout {name!r}: no such layout", expected=f"one of: {', '.join(LAYOUTS)}")
    chosen = [LAYOUTS[name]] if name is not None else list(LAYOUTS.values())
    files = list(files_below(source)) if source.is_dir() else []
    for layout in chosen:
        if layout.recognises(source, files):
            return layout
    raise UserError(
        f"{source}: not a corpus" + (f" in the layout {name}" if name else ""),
        expected="; ".join(f"{layout.name}: {layout.about}" for layout in chosen),
    )
