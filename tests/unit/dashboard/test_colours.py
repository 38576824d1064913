"""The palette can be read: by everybody, in both schemes, also by those who see colours otherwise.

Sources: WCAG 2.2, relative luminance and contrast ratio; Machado, Oliveira, Fernandes 2009, "A Physiologically-based
Model for Simulation of Color Vision Deficiency", severity 1.0; Sharma, Wu, Dalal 2005, "The CIEDE2000 Color-Difference
Formula: Implementation Notes".
"""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest

from perfkit.dashboard import asset, asset_url

Triple = tuple[float, float, float]

TEXT_PAIRS = [
    *((ink, ground) for ink in ("text", "muted", "accent") for ground in ("bg", "panel", "hover", "code")),
    *((ink, ground) for ink in ("ok", "warn", "bad") for ground in ("panel", "hover")),
    *((ink, "panel") for ink in ("p50", "p95", "p99")),
    ("ok", "ok-bg"),
    ("warn", "warn-bg"),
    ("bad", "bad-bg"),
    ("text", "warn-bg"),
    ("text", "ok-bg"),
    ("accent-ink", "accent"),
]
SPANS = ("python", "sql", "cache", "outbound", "template")
GRAPHICS = (*SPANS, "p50", "p95", "p99", "plain", "column", "ok", "warn-line", "bad")
APART = [
    *combinations(SPANS, 2),
    *combinations(("p50", "p95", "p99"), 2),
    *combinations(("ok", "warn", "bad"), 2),
    ("column", "bad"),
    ("p95", "warn-line"),
]
VISIONS: dict[str, tuple[Triple, Triple, Triple]] = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def stylesheet() -> str:
    found = asset(asset_url("style.css").removeprefix("./static/"))
    assert found is not None
    return found.body.decode()


def tokens(scheme: str) -> dict[str, str]:
    found = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", stylesheet())
    return {name: light if scheme == "light" else dark for name, light, dark in found}


def linear(colour: str) -> Triple:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))  # type: ignore[return-value]


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def product(matrix: tuple[Triple, Triple, Triple], vector: Triple) -> Triple:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)  # type: ignore[return-value]


def lab(rgb: Triple) -> Triple:
    to_xyz = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    clipped = tuple(min(1.0, max(0.0, part)) for part in rgb)
    white = (0.95047, 1.0, 1.08883)
    x, y, z = (part / unit for part, unit in zip(product(to_xyz, clipped), white, strict=True))  # type: ignore[arg-type]
    fx, fy, fz = (part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def ciede2000(one: Triple, other: Triple) -> float:
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    dl, dc, turn = l2 - l1, c2 - c1, h2 - h1
    if c1 * c2 == 0:
        turn = 0.0
    elif abs(turn) > 180:
        turn += 360 if turn < 0 else -360
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    ml, mc, mh = (l1 + l2) / 2, (c1 + c2) / 2, h1 + h2
    if c1 * c2 != 0:
        mh = mh / 2 if abs(h1 - h2) <= 180 else (mh + 360) / 2 if mh < 360 else (mh - 360) / 2
    waves = ((0.17, 1, -30), (-0.24, 2, 0), (-0.32, 3, 6), (0.20, 4, -63))
    t = 1 - sum(size * math.cos(math.radians(times * mh + shift)) for size, times, shift in waves)
    sl = 1 + 0.015 * (ml - 50) ** 2 / math.sqrt(20 + (ml - 50) ** 2)
    sc, sh = 1 + 0.045 * mc, 1 + 0.015 * mc * t
    rc = 2 * math.sqrt(mc**7 / (mc**7 + 25.0**7))
    rt = -math.sin(math.radians(60 * math.exp(-(((mh - 275) / 25) ** 2)))) * rc
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_formula_agrees_with_the_published_pairs(one: Triple, other: Triple, difference: float) -> None:
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS)
def test_text_has_a_contrast_of_four_and_a_half(scheme: str, ink: str, ground: str) -> None:
    named = tokens(scheme)
    assert contrast(named[ink], named[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ink", GRAPHICS)
def test_graphics_have_a_contrast_of_three(scheme: str, ink: str) -> None:
    named = tokens(scheme)
    assert contrast(named[ink], named["panel"]) >= 3.0


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("one", "other"), APART)
def test_colours_with_different_meanings_look_different_to_every_eye(
    vision: str, scheme: str, one: str, other: str
) -> None:
    named, matrix = tokens(scheme), VISIONS[vision]
    seen = [lab(product(matrix, linear(named[name]))) for name in (one, other)]
    assert ciede2000(*seen) >= 9.5


def test_every_colour_of_the_stylesheet_is_a_token() -> None:
    rules = re.sub(r":root \{.*?\}", "", stylesheet(), flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|rgba?\(|hsla?\(", rules)
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", rules)) - tokens("light").keys() == {"tone", "tone-bg", "ink"}
