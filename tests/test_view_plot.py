"""A figure of matplotlib on a page: an image with alternative text, and nothing but that."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from streamlab.errors import BadArgumentError
from streamlab.view import plot


@pytest.fixture
def figure():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([1, 2], [3, 4])
    return figure


def test_a_figure_is_an_image_with_its_words_and_text_where_there_is_no_html(figure):
    shown = plot(figure, 'length "rises" <fast>')
    assert repr(shown) == 'length "rises" <fast>'
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown)
    assert 'alt="length &quot;rises&quot; &lt;fast&gt;"' in bundle["text/html"]
    assert 'src="data:image/png;base64,iVBOR' in bundle["text/html"]


def test_a_figure_that_was_shown_is_closed_and_drawn_twice_is_the_same(figure):
    first = plot(figure, "a line")
    assert not plt.fignum_exists(figure.number)
    assert plot(figure, "a line").png == first.png


def test_a_figure_without_words_is_refused(figure):
    with pytest.raises(BadArgumentError, match="alt must say what the figure shows, got ' '"):
        plot(figure, " ")
    plt.close(figure)
