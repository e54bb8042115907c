"""Models of transformers from a folder: whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lst_cli.errors import UserError
from lst_cli.finite import check_finite_weights

_SHOWN = 3
"""Missing weights that an error names."""


def load_whole(
    kind: Any, folder: Path, name: str, *, what: str, trained: str, files: str | None = None, fix: str | None = None
) -> Any:
    """Load a transformers model, on the CPU and in evaluation mode; nothing is fetched.

    :param kind: its class, or an ``Auto`` class.
    :param name: what errors call the folder.
    :param what: the expected contents, as in "a HuBERT model"; ``files`` names the expected files.
    :param trained: what models have all the weights; ``fix`` where to get one.
    :raises UserError: transformers can't read it, or weights are missing, which transformers would draw at random.
    """
    try:
        model, report = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(
            f"{name}: transformers can't read {what} from it", found=str(error).splitlines()[0], expected=files
        ) from None
    # An embedding of masked frames serves pretraining only.
    missing = sorted(key for key in report["missing_keys"] if "masked_spec_embed" not in key)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if missing[_SHOWN:] else ""
        raise UserError(
            f"{name}: the weights don't fill the model",
            found=f"no weights for {', '.join(missing[:_SHOWN])}{more}",
            expected=trained,
            fix=fix,
        )
    check_finite_weights(model.state_dict(), name)
    return model.eval()
