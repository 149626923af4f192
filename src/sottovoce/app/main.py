"""The app's frame: which pages there are, and what stands around each of them."""

from contextlib import suppress

import streamlit as st
from PIL import Image, ImageDraw

from sottovoce.app import cards, compare, correct, listen, reasons, words
from sottovoce.app.frame import Ended, sidebar

STYLE = """<style>
.block-container { max-width: 64rem; padding-top: 4.5rem; }
[data-testid="stCaptionContainer"] { opacity: 0.75; }
</style>"""


def main() -> None:
    """Show the page that was asked for."""
    st.set_page_config(page_title="Sottovoce", page_icon=_icon(), layout="wide")
    st.html(STYLE)
    page = st.navigation(
        [
            st.Page(
                listen.page,
                title="Listen",
                url_path="listen",
                icon=":material/hearing:",
                default=True,
            ),
            st.Page(compare.page, title="Compare", icon=":material/balance:", url_path="compare"),
            st.Page(reasons.page, title="Why", icon=":material/search:", url_path="why"),
            st.Page(cards.page, title="Models", icon=":material/menu_book:", url_path="models"),
            st.Page(correct.page, title="Correct it", icon=":material/edit:", url_path="correct"),
        ],
        position="top",
    )
    sidebar()
    st.title(page.title, anchor=False)
    with suppress(Ended):
        page.run()
    footer()


def _icon() -> Image.Image:
    """A few bars, drawn here, for one of Streamlit's own would be fetched from the network."""
    icon = Image.new("RGBA", (32, 32))
    drawing = ImageDraw.Draw(icon)
    for place, height in enumerate((8, 20, 28, 14, 6)):
        left, top = 2 + 6 * place, 16 - height // 2
        drawing.rounded_rectangle((left, top, left + 3, top + height), 2, fill="#5b7be0")
    return icon


def footer() -> None:
    """What stands at the end of every page, whatever came of it."""
    st.divider()
    st.caption(words.NOTICE)
    with st.expander("What it cannot know, and what the law says"):
        st.markdown(words.CANNOT_KNOW)
        st.markdown(words.LAW)
        st.markdown(words.PRIVACY)


if __name__ == "__main__":
    main()
