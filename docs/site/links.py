"""Links from a page to what is not of the site: to the repository where mkdocs.yml names one, else plain text. What does not
exist is a warning, which ends a strict build."""

import logging
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((\.\./[^)#\s]+)\)")
log = logging.getLogger("mkdocs.hooks.links")


def on_page_markdown(text: str, page: Any, config: Any, **kwargs: Any) -> str:
    """Rewrite the links of one page that leave ``docs/``."""
    root = Path(config.config_file_path).parent
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def rewrite(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        path = (folder / target).resolve()
        if path.is_relative_to(config.docs_dir) or not path.is_relative_to(root):
            return found[0]
        if not path.exists():
            log.warning(f"{page.file.src_uri} links to {target}, which does not exist")
        inside = path.relative_to(root)
        if config.repo_url:
            return f"[{words}]({config.repo_url.rstrip('/')}/blob/main/{inside})"
        return f"{words or 'picture'} (`{inside}`)" if picture or words != str(inside) else f"`{inside}`"

    return _LINK.sub(rewrite, text)
