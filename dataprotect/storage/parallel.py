"""The same work on many objects, in a few threads, with safe points in the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dataprotect.core.progress import Reporter

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def for_each(
    items: Iterable[Item], work: Callable[[Item], Answer], threads: int, reporter: Reporter
) -> list[Answer]:
    """The answers in the order of the items. A failure, or the reporter's end, drops what has not begun."""
    with ThreadPoolExecutor(threads, thread_name_prefix="storage-check") as pool:
        results = [pool.submit(work, item) for item in items]
        try:
            answers = []
            for result in results:
                reporter.checkpoint()
                answers.append(result.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return answers
