"""The looks that all charts share: contrast as WCAG 2 measures it."""

import pytest

from ml.charts.style import FAMILY_COLOURS, FAMILY_MARKS, THEMES, family_colour, template


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", by WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_wcag_does() -> None:
    """Guards against a yardstick of rubber: black on white is 21, #767676 on white is 4.54 by WCAG's examples."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_marks_have_the_contrast_of_aa(theme: str) -> None:
    """Guards against grey on grey: 4.5 for text, 3 for marks."""
    colours = THEMES[theme]
    for paper in ("paper", "panel"):
        for text in ("ink", "quiet", "accent"):
            assert contrast(colours[text], colours[paper]) >= 4.5, (text, paper)
    assert contrast(colours["note-ink"], colours["note"]) >= 4.5
    for mark in FAMILY_COLOURS:
        assert contrast(mark, colours["paper"]) >= 3, mark


def test_each_family_has_a_colour_of_its_own() -> None:
    """Guards against two families that only their names tell apart."""
    assert len({family_colour(f"{mark} loud") for mark in FAMILY_MARKS}) == len(FAMILY_MARKS)
    assert family_colour("") == FAMILY_COLOURS[0]


@pytest.mark.parametrize("theme", THEMES)
def test_plotly_knows_everything_that_the_template_says(theme: str) -> None:
    """Guards against a misspelt setting, which Plotly's script would pass over in silence."""
    import plotly.graph_objects as go

    go.layout.Template(template(theme))
