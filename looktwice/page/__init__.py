"""The web page: chat with images, see the evidence; one file a tab, and nothing that other rooms may import."""

from looktwice.page.app import PageSettings, build_page, serve

__all__ = ["PageSettings", "build_page", "serve"]
