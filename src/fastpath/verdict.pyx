"""Names of verdicts and drop reasons, made from the enums of verdict.pxd."""

from libc.stdint cimport uint8_t


def _words(enum, prefix: str) -> list[str]:
    members = sorted(enum, key=int)
    return [m.name.removeprefix(prefix).lower().replace("_", "-")
            for m in members if m.name != prefix + "COUNT"]


VERDICTS = tuple(name.upper().replace("-", "_") for name in _words(Verdict, "VERDICT_"))
"""Verdict names by number, as `FORWARD`."""

REASONS = tuple(_words(Reason, "REASON_"))
"""Drop reason names by number, as `ttl-expired`; number 0 is `none`."""

_texts = [[(v if v != "DROP" else f"DROP {r}").encode() for r in REASONS] for v in VERDICTS]
cdef const char* _text[VERDICT_COUNT][REASON_COUNT]
for _v in range(VERDICT_COUNT):
    for _r in range(REASON_COUNT):
        _text[_v][_r] = _texts[_v][_r]


cdef const char* verdict_text(uint8_t verdict, uint8_t reason) noexcept nogil:
    """`FORWARD`, or `DROP ttl-expired`: a static string for captures and traces."""
    if verdict >= VERDICT_COUNT or reason >= REASON_COUNT:
        return b"?"
    return _text[verdict][reason]
