"""The page sums in C against those in numpy; a library that cannot be trusted is not used."""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.engine.databases.postgresql.page_sums import (
    LANES,
    LIBRARY,
    ROWS,
    Words,
    by_library,
    by_numpy,
    page_sums,
)

SOURCE = LIBRARY.with_name("page_sums.c")
PAGE = 4 * ROWS * LANES


def as_pages(data: bytes | memoryview) -> Words:
    return np.frombuffer(data, "<u4").reshape(-1, ROWS, LANES)


def build(source: str, folder: Path) -> Path:
    library = folder / "built.so"
    (folder / "source.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "source.c"], check=True)
    return library


def test_the_library_that_setup_builds_is_used() -> None:
    assert page_sums is not by_numpy


@given(seed=st.integers(0, 2**32), count=st.integers(0, 9), shift=st.integers(0, 3))
def test_both_sum_alike_wherever_the_pages_lie(seed: int, count: int, shift: int) -> None:
    pages = as_pages(memoryview(random.Random(seed).randbytes(shift + count * PAGE))[shift:])
    assert page_sums(pages).tolist() == by_numpy(pages).tolist()


def test_pages_that_do_not_lie_together_are_summed_too() -> None:
    pages = as_pages(random.Random(1).randbytes(9 * PAGE))
    assert page_sums(pages[::2]).tolist() == by_numpy(np.ascontiguousarray(pages[::2])).tolist()


def test_threads_do_not_disturb_each_other() -> None:
    many = [as_pages(random.Random(seed).randbytes(16 * PAGE)) for seed in range(8)]
    expected = [by_numpy(pages).tolist() for pages in many]
    with ThreadPoolExecutor(4) as pool:
        for sums in (page_sums, by_numpy):
            assert [found.tolist() for found in pool.map(sums, many * 20)] == expected * 20


def test_without_a_library_it_is_numpy(tmp_path: Path) -> None:
    assert by_library(tmp_path / "none.so") is None
    (tmp_path / "none.so").write_text("not a library")
    assert by_library(tmp_path / "none.so") is None


@pytest.mark.parametrize(
    ("there", "instead"),
    [("dataprotect_page_sums", "another_name"), ("16777619u", "16777621u"), ("0x959BD756", "0x959BD757")],
)
def test_a_library_of_another_kind_is_not_used(tmp_path: Path, there: str, instead: str) -> None:
    source = SOURCE.read_text()
    assert there in source
    assert by_library(build(source.replace(there, instead), tmp_path)) is None


def test_a_library_built_without_any_option_sums_alike(tmp_path: Path) -> None:
    sums = by_library(build(SOURCE.read_text(), tmp_path))
    pages = as_pages(random.Random(2).randbytes(5 * PAGE))
    assert sums is not None
    assert sums(pages).tolist() == by_numpy(pages).tolist()
