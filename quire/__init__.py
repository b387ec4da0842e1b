"""The library: what an item is, what answers, how it learns, how it is judged, where it comes from, how it lives on."""
