"""From a model's own frames to one vector for each 40 ms.

Legend: M the model's frames, T frames of 40 ms, D feature dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lst_cli.units.frames import n_frames


def to_25_hz(frames_MD: Tensor, samples: int, pool: int) -> Tensor:
    """Average a clip's frames over each 40 ms, [T, D].

    Where the model has too few frames for the frame rule (its last frame would reach beyond the clip), its last frame
    is repeated; where it has too many, they are dropped.

    :param samples: length of the clip at 16 kHz.
    :param pool: frames of the model in 40 ms.
    """
    total = n_frames(samples)
    missing = total * pool - len(frames_MD)
    if missing > 0:
        frames_MD = torch.cat([frames_MD, frames_MD[-1:].expand(missing, -1)])
    return frames_MD[: total * pool].reshape(total, pool, -1).mean(dim=1)
