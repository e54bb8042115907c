"""Audio containers: what each promises about its length, and one way to decode them all."""

from lst_cli.audio.formats.container import NotDecodable
from lst_cli.audio.formats.open_audio import Recording, open_recording

__all__ = ["NotDecodable", "Recording", "open_recording"]
