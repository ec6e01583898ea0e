"""A bounded memory of results."""

from model.lru_cache import LRUCache


def test_a_kept_value_is_not_computed_again_and_the_oldest_goes_first() -> None:
    computed: list[str] = []

    def value(key: str) -> bytes:
        def compute() -> bytes:
            computed.append(key)
            return key.encode() * 4

        return recent.get(key, compute)

    recent: LRUCache[bytes] = LRUCache(len, limit_bytes=8)
    assert [value(key) for key in "abab"] == [b"aaaa", b"bbbb", b"aaaa", b"bbbb"]
    assert computed == ["a", "b"]
    value("a")  # now b is the least recently used
    value("c")
    value("a")
    assert computed == ["a", "b", "c"]
    value("b")
    assert computed == ["a", "b", "c", "b"]


def test_a_value_over_the_limit_stays_until_the_next() -> None:
    recent: LRUCache[bytes] = LRUCache(len, limit_bytes=2)
    large = recent.get("large", lambda: b"123")
    assert recent.get("large", lambda: b"not computed") is large
    recent.get("small", lambda: b"1")
    assert recent.get("large", lambda: b"again") == b"again"
