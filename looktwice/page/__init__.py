"""The web page: chat with images, see the evidence; one file a tab, and nothing that other rooms may import."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from looktwice.page.app import PageSettings, build_page, refuse_exposure, serve
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__, submod_attrs={"app": ["PageSettings", "build_page", "refuse_exposure", "serve"]}
    )

__all__ = ["PageSettings", "build_page", "refuse_exposure", "serve"]
