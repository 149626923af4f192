"""The app in the browser, made with Streamlit: one module a page, on the listening half alone.

`sottovoce app` starts it; `streamlit run` on `main.py` does the same for app hosts. It needs the
extra `app`, and never imports torch.
"""
