"""What is kept between updates: what is forgotten, and when."""

from service.labelling_tools.byte_cache import ByteCache

ENTRY = 1024


def test_the_least_used_are_forgotten() -> None:
    cache: ByteCache[int, str] = ByteCache(max_bytes=3 * (ENTRY + 500))
    for number in range(3):
        cache.add(number, "class", 500)
    assert cache.get(0) == "class"
    cache.add(3, "class", 500)
    assert [number for number in range(4) if cache.get(number)] == [0, 2, 3]


def test_a_value_that_is_replaced_counts_once() -> None:
    cache: ByteCache[int, str] = ByteCache(max_bytes=2 * (ENTRY + 500))
    cache.add(0, "first")
    for number in range(9):
        cache.add(1, str(number), 500)
    assert (cache.get(0), cache.get(1)) == ("first", "8")


def test_what_is_dropped_leaves_its_room() -> None:
    cache: ByteCache[int, str] = ByteCache(max_bytes=2 * ENTRY)
    cache.add(0, "kept")
    for number in range(1, 9):
        cache.add(number, "dropped")
        cache.drop(number)
    cache.drop(9)  # was never there
    assert (cache.get(0), cache.get(8)) == ("kept", None)


def test_keys_count_too_and_what_is_too_large_is_not_kept() -> None:
    cache: ByteCache[int, bool] = ByteCache(max_bytes=10 * ENTRY)
    for number in range(100):
        cache.add(number, False)
    assert [number for number in range(100) if cache.get(number) is False] == list(range(90, 100))
    cache.add(100, True, 10 * ENTRY)
    assert cache.get(100) is None
