"""Whether the streams that a page is drawn from are there to their end."""

import zlib

import pymupdf

CHUNK = 1_000_000  # bytes that are inflated at a time


def is_whole(page: pymupdf.Page) -> bool:
    """Whether all that is deflated of the page's content is there, if without its checksum (RFC 1950, 2.2)."""
    document = page.parent
    streams = [*page.get_contents(), *(xref for xref, *_ in page.get_xobjects())]
    return all(
        _inflates(document.xref_stream_raw(xref))
        for xref in streams
        if document.xref_get_key(xref, "Filter")[1] in ("/FlateDecode", "[/FlateDecode]")
    )


def _inflates(data: bytes) -> bool:
    inflater, data = zlib.decompressobj(-zlib.MAX_WBITS), data[2:]
    try:
        while data and not inflater.eof:
            inflater.decompress(data, CHUNK)
            data = inflater.unconsumed_tail
    except zlib.error:
        return False
    return inflater.eof
