from __future__ import annotations

from itertools import product

import pytest
import torch

from lst_cli.alignment.emissions.spelling import BLANK, N_LABELS, Spelling, spell
from lst_cli.alignment.fit.full_sum import lattice, occupancy
from lst_cli.alignment.words import spoken_words

AB_C = Spelling((27, 2, 29), (0, 0, 1), (0, 1, 0))  # "Ab C": two words


def collapses_to(path: tuple[int, ...], spelling: Spelling) -> bool:
    """Whether a path of labels says the words, with silence around words only."""
    runs = [label for i, label in enumerate(path) if i == 0 or label != path[i - 1]]
    expected: list[list[int]] = []
    for label, word in zip(spelling.labels, spelling.words, strict=True):
        if word == len(expected):
            expected.append([])
        expected[word].append(label)
    words: list[list[int]] = [[]]
    for label in runs:
        if label == BLANK:
            words.append([])
        else:
            words[-1].append(label)
    # Without silence between them, two words stand in one run of letters.
    glued = [label for word in words for label in word]
    if glued != list(spelling.labels):
        return False
    cuts = {0}
    for word in expected:
        cuts.add(max(cuts) + len(word))
    at, ok = 0, True
    for word in words:
        ok = ok and at in cuts
        at += len(word)
    return ok


def by_counting(scores_UV: torch.Tensor, spelling: Spelling) -> torch.Tensor:
    labels = [BLANK, *dict.fromkeys(spelling.labels)]
    total = torch.zeros_like(scores_UV)
    weight = 0.0
    for path in product(labels, repeat=len(scores_UV)):
        if collapses_to(path, spelling):
            p = float(torch.exp(sum(scores_UV[u, label] for u, label in enumerate(path))))
            weight += p
            for u, label in enumerate(path):
                total[u, label] += p
    return total / weight


@pytest.mark.parametrize("frames", [3, 4, 6])
def test_occupancy_is_the_sum_over_all_paths(frames: int) -> None:
    scores_1UV = torch.randn(1, frames, N_LABELS, generator=torch.Generator().manual_seed(frames))
    share_UV = occupancy(scores_1UV, torch.tensor([frames]), [AB_C])[0]
    assert torch.allclose(share_UV, by_counting(scores_1UV[0], AB_C), atol=1e-4)


def test_a_batch_is_its_utterances() -> None:
    spellings = [
        spell(spoken_words(text, frozenset("abcdefghijklmnopqrstuvwxyz"))) for text in ("a cat", "I see", "go")
    ]
    frames_B = torch.tensor([12, 9, 5])
    scores_BUV = 3 * torch.randn(3, 12, N_LABELS, generator=torch.Generator().manual_seed(0))
    together = occupancy(scores_BUV, frames_B, spellings)
    for row, frames in enumerate(frames_B.tolist()):
        alone = occupancy(scores_BUV[row : row + 1, :frames], frames_B[row : row + 1], [spellings[row]])
        assert torch.allclose(together[row, :frames], alone[0], atol=1e-4)
        assert together[row, frames:].abs().sum() == 0
        assert torch.allclose(together[row, :frames].sum(dim=1), torch.ones(frames), atol=1e-4)


def test_silence_stands_around_words_only() -> None:
    states = lattice([AB_C])
    assert states.labels_BS.tolist() == [[BLANK, 27, 2, BLANK, 29, BLANK]]
    assert (states.skip_BS[0] == 0).tolist() == [False, False, False, False, True, False]
