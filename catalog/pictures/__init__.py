"""The geometry of pictures: facts in, shapes out. Templates draw them, on pages and on paper."""
