"""The results page is made of records alone."""

import json
import re
from pathlib import Path

import pytest

from model.data.trained_sets import TrainedSet
from model.evaluation.absence import AbsenceReport
from model.evaluation.episodes import EpisodeReport
from model.evaluation.generalised import GeneralisedReport
from model.evaluation.page import results_page
from model.evaluation.records import (
    Evaluation,
    Protocol,
    RecordError,
    Report,
    Result,
    Subject,
    read_evaluations,
    write_evaluation,
)
from model.evaluation.tables import markdown_table, spread

SUBJECT = Subject(
    kind="bundle",
    name="tiny",
    preset="lite",
    input_side=337,
    sha256={"encoder": "ab" * 32},
    trained_on=("msrc: 458 images",),
    excluded_classes=("bird",),
)
PROTOCOL = Protocol(
    data="pascal5i_val",
    images=1449,
    episodes=1000,
    min_area=2048,
    labels="original",
    scales=(1.0,),
    flip=False,
    threshold=0.5,
)


def _episodes(mean_iou: float, seed: int = 0, shots: int = 1) -> EpisodeReport:
    return EpisodeReport(1000, shots, seed, mean_iou, 70.0, {"bird": mean_iou})


def _record(
    *reports: tuple[int | None, Report], seen: bool = False, protocol: Protocol = PROTOCOL
) -> Evaluation:
    return Evaluation(
        command="python -m model evaluate --bundle bundles/tiny",
        subject=SUBJECT,
        protocol=protocol,
        results=tuple(Result(fold=f, seen=seen, seconds=1, report=r) for f, r in reports),
    )


def _cells(page: str, beginning: str) -> list[str]:
    """The one row that begins so, outside of the tables of classes."""
    rows = [_row(line) for line in re.sub(r"(?s)### Classes.*?(?=\n##? )", "", page).splitlines()]
    (row,) = [row for row in rows if row[0].startswith(beginning)]
    return row


def _row(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_folds_and_seeds_are_averaged_beside_published_figures() -> None:
    first = _record(*((f, _episodes(40 + f + s, s)) for f in (0, 1) for s in (0, 2)))
    second = _record(*((f, _episodes(40 + f + s, s)) for f in (2, 3) for s in (0, 2)))
    page = results_page({"a.json": first, "b.json": second}, "make-it")
    ours = _cells(page, "tiny, 337 px [1, 2]")
    assert ours[1:5] == [f"{41 + fold}.0 ± 1.4" for fold in range(4)]
    assert ours[5] == "42.5 ± 1.4"
    assert _cells(page, "SD-AANet, paper")[1:6] == ["-", "-", "-", "-", "62.9"]
    assert "Written by `make-it`" in page
    assert page.count("python -m model evaluate --bundle bundles/tiny") == 2
    assert "encoder `abababababab`" in page
    assert "Trained on: msrc: 458 images. Classes left out of all of them: bird." in page


def test_a_mean_over_folds_needs_all_four() -> None:
    page = results_page({"a.json": _record((0, _episodes(40)), (1, _episodes(50)))}, "c")
    assert _cells(page, "tiny")[1:] == ["40.0", "50.0", "-", "-", "-", "70.0"]


@pytest.mark.parametrize(
    ("of_two", "of_others", "mark"),
    [
        ({}, {}, ""),  # nothing is recorded
        ({}, {"episodes": 25_600, "recipe": "ab"}, ""),
        ({"episodes": 24_000, "recipe": "ab"}, {"episodes": 25_600, "recipe": "ab"}, ""),
        ({"episodes": 12_800, "recipe": "ab"}, {"episodes": 25_600, "recipe": "ab"}, "‡"),
        ({"episodes": 25_600, "recipe": "cd"}, {"episodes": 25_600, "recipe": "ab"}, "‡"),
    ],
)
def test_a_mean_over_folds_that_were_not_trained_alike_is_marked(
    of_two: dict[str, object], of_others: dict[str, object], mark: str
) -> None:
    def trained(folds: tuple[int, int], how: dict[str, object]) -> Evaluation:
        record = _record(*((fold, _episodes(40)) for fold in folds))
        return record.model_copy(update={"subject": SUBJECT.model_copy(update=how)})

    page = results_page({"a": trained((0, 1), of_two), "b": trained((2, 3), of_others)}, "c")
    assert _cells(page, "tiny")[5:] == [f"40.0{mark}", f"70.0{mark}"]
    assert "A double dagger marks a mean" in page


def test_how_long_a_network_was_trained_is_told_where_it_is_recorded() -> None:
    record = _record((0, _episodes(40)))
    assert "Trained for" not in results_page({"a": record}, "c")
    known = SUBJECT.model_copy(update={"episodes": 25_600, "minutes": 71.6})
    page = results_page({"a": record.model_copy(update={"subject": known})}, "c")
    assert "msrc: 458 images. Trained for 25,600 episodes, 72 minutes. Classes left out" in page


def test_records_of_before_are_read(tmp_path: Path) -> None:
    record = _record((0, _episodes(40)))
    values = json.loads(record.model_dump_json())
    for field in ("episodes", "minutes", "recipe"):
        del values["subject"][field]
    (tmp_path / "a.json").write_text(json.dumps(values))
    assert read_evaluations(tmp_path) == {"a.json": record}


def test_classes_have_a_table_for_each_fold_and_every_ten() -> None:
    many = {f"class {number:02}": float(number) for number in range(12)}
    first = _record((0, _episodes(40)), (0, _episodes(42, seed=1)), (0, _episodes(50, shots=5)))
    second = _record((1, EpisodeReport(1000, 1, 0, 5.5, 70.0, many)))
    page = results_page({"b.json": second, "a.json": first}, "c")
    (classes,) = re.findall(r"(?s)### Classes\n\n(.*?)\n\n## ", page)
    tables = [[_row(line) for line in table.splitlines()] for table in classes.split("\n\n")]
    assert [rows[0][2:] for rows in tables] == [["bird"], list(many)[:10], list(many)[10:]]
    assert [row[1:] for row in tables[0][2:]] == [["1", "41.0 ± 1.4"], ["5", "50.0"]]
    assert [row[1:] for row in tables[2][2:]] == [["1", "10.0", "11.0"]]


def test_lists_that_lack_a_class_share_the_table_of_their_fold() -> None:
    def report(seed: int, **ious: float) -> EpisodeReport:
        return EpisodeReport(9, 1, seed, 50.0, 70.0, ious)

    lists = [report(0, bird=40.0, boat=60.0), report(1, bottle=30.0, bird=42.0)]
    page = results_page({"a.json": _record(*((0, each) for each in lists))}, "c")
    (table,) = re.findall(r"(?s)### Classes\n\n(.*?)\n\n## ", page)
    header, _, row = (_row(line) for line in table.splitlines())
    assert header[2:] == ["bird", "boat", "bottle"]
    assert row[1:] == ["1", "41.0 ± 1.4", "60.0", "30.0"]


def test_five_shot_has_a_table_of_its_own() -> None:
    page = results_page({"a.json": _record((0, _episodes(40, shots=5)))}, "c")
    assert "### 5-shot" in page
    assert "### 1-shot" not in page
    assert _cells(page, "PFENet, paper")[5] == "61.9"


def test_another_protocol_is_another_row_that_says_so() -> None:
    scaled = PROTOCOL.model_copy(
        update={"labels": "scaled", "scales": (0.8, 1.0), "episodes": 50, "threshold": 0.4}
    )
    evaluations = {
        "a.json": _record((0, _episodes(40))),
        "b.json": _record((0, _episodes(42)), protocol=scaled),
    }
    page = results_page(evaluations, "c")
    assert _cells(page, "tiny, 337 px [1]")[1] == "40.0"
    row = "tiny, 337 px; scaled labels †; scales 0.8, 1; 50 episodes; threshold 0.4 [2]"
    assert _cells(page, row)[1] == "42.0"


def test_classes_that_training_did_not_leave_out_are_marked() -> None:
    page = results_page({"a.json": _record((0, _episodes(40)), seen=True)}, "c")
    assert _cells(page, "tiny")[1] == "40.0*"


def test_other_sets_absence_and_generalised_have_their_tables() -> None:
    absence = AbsenceReport(1000, 1, 0, 50.0, 0.91, 30.0, 60.0, {"bird": 30.0}, 0.62, 38.0, 65.0)
    generalised = GeneralisedReport(100, 5, 0, 40.0, 20.0, 26.7, 80.0, {"bird": 20.0})
    other = PROTOCOL.model_copy(update={"data": "blood_cells"})
    evaluations = {
        "a.json": _record((None, _episodes(55.5)), protocol=other),
        "b.json": _record((0, absence)),
        "c.json": _record((0, generalised)),
    }
    page = results_page(evaluations, "c")
    assert _cells(page, "blood_cells")[1:] == ["tiny, 337 px [1]", "1", "1", "55.5", "70.0"]
    of_absence, of_generalised = (
        [cell.strip() for cell in line.strip("|").split("|")][1:]
        for line in page.splitlines()
        if line.startswith("| pascal5i_val, fold 0")
    )
    assert of_absence == [
        "tiny, 337 px [2]", "1", "50.0", "0.910", "-", "30.0", "38.0", "-", "-", "0.620"
    ]  # fmt: skip
    network = "tiny, 337 px; every image but the supports [3]"
    assert of_generalised == [network, "5", "40.0", "20.0", "26.7", "80.0"]
    assert "SD-AANet, paper" not in page  # published figures stand beside episodes of folds alone


@pytest.mark.parametrize(
    ("images", "queries"),
    [((96, 95), "every image but the supports"), ((100, 100), "100 episodes")],
)
def test_fewer_images_than_asked_for_are_told(images: tuple[int, int], queries: str) -> None:
    protocol = PROTOCOL.model_copy(update={"episodes": 100})
    lists = [
        (0, GeneralisedReport(count, 1, seed, 40.0, 20.0, 26.7, 80.0, {"bird": 20.0}))
        for seed, count in enumerate(images)
    ]
    page = results_page({"a.json": _record(*lists, protocol=protocol)}, "c")
    assert _cells(page, "pascal5i_val, fold 0")[1] == f"tiny, 337 px; {queries} [1]"


def test_a_bar_in_a_name_parts_no_cells() -> None:
    table = markdown_table(["network", "on|off"], [["a|b", "1"]])
    assert re.findall(r"(?<!\\)\|", table) == ["|"] * 9
    assert r"a\|b" in table


@pytest.mark.parametrize(
    ("trained_on", "mark"),
    [
        (("msrc: 458 images",), ""),
        (("msrc: 458 images", "pascal5i_val: 1016 images"), "§"),
        (("pascal5i_val[0/2]: 500 images",), "§"),
        ((), "§"),  # not recorded
    ],
)
def test_base_figures_on_images_of_training_are_marked(
    trained_on: tuple[str, ...], mark: str
) -> None:
    report = GeneralisedReport(300, 1, 0, 30.0, 20.0, 24.0, 80.0, {"bird": 20.0})
    record = _record((0, report))
    subject = SUBJECT.model_copy(update={"trained_on": trained_on})
    page = results_page({"a.json": record.model_copy(update={"subject": subject})}, "c")
    cells = _cells(page, "pascal5i_val, fold 0")
    assert cells[3:] == [f"30.0{mark}", "20.0", f"24.0{mark}", "80.0"]


def test_the_same_list_recorded_twice_is_an_error() -> None:
    record = _record((0, _episodes(40)))
    with pytest.raises(RecordError, match=r"a\.json and b\.json both record tiny.*seed 0"):
        results_page({"a.json": record, "b.json": record}, "c")


def test_a_record_without_results_is_named() -> None:
    with pytest.raises(RecordError, match=r"a\.json has no result yet"):
        results_page({"a.json": _record()}, "c")


def test_records_are_read_back_as_they_were(tmp_path: Path) -> None:
    absence = AbsenceReport(1000, 1, 0, 50.0, 0.91, 30.0, 60.0, {"bird": 30.0})
    record = _record((0, _episodes(40)), (None, absence))
    (tmp_path / "deep").mkdir()
    write_evaluation(tmp_path / "deep" / "a.json", record)
    assert read_evaluations(tmp_path) == {"deep/a.json": record}


def test_an_earlier_record_stays_whole_until_the_new_one_takes_its_place(tmp_path: Path) -> None:
    path, record = tmp_path / "a.json", _record((0, _episodes(40)))
    write_evaluation(path, record)
    with path.open(encoding="utf-8") as reader:
        write_evaluation(path, _record((0, _episodes(50))))
        assert Evaluation.model_validate_json(reader.read()) == record
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_without_records_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="evaluate --json"):
        read_evaluations(tmp_path)


def test_another_json_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"loss": 1}))
    with pytest.raises(RecordError, match=r"other\.json was not written by"):
        read_evaluations(tmp_path)


@pytest.mark.parametrize(
    ("data", "classes", "fold", "seen"),
    [
        ("pascal5i_val", ("bird",), 0, False),
        ("pascal5i_val", ("bird", "bus"), 0, True),
        ("msrc", ("grass",), None, True),
        ("blood_cells", ("nucleus",), None, False),
        ("pascal_val", ("bus",), None, True),  # another list of the same classes
        ("pascal5i_val", ("bus",), None, True),
        ("voc_train", ("bus",), None, True),  # the very same images in another format
        ("coco_val2014", ("zebra",), None, False),
        ("coco_val2014", ("bus", "zebra"), None, True),  # a class of PASCAL, which was in training
        ("coco_val2014", ("bird",), None, False),  # which was left out of it
        ("fss1000_test", ("abacus",), None, False),  # other classes than those of training
    ],
)
def test_classes_are_unseen_by_name_or_by_set(
    data: str, classes: tuple[str, ...], fold: int | None, seen: bool
) -> None:
    sets = ("msrc: 458 images", "pascal_train: 9 images", "fss1000_train: 9 images")
    subject = SUBJECT.model_copy(update={"trained_on": sets})
    assert subject.has_seen(data, classes, fold=fold) == seen


@pytest.mark.parametrize(
    ("data", "classes", "seen"),
    [
        ("copy_of_parts", ("valve",), True),
        ("copy_of_parts", ("Hex-Bolt", "spring"), True),
        ("copy_of_parts", ("spring",), False),
        ("parts", ("spring",), True),  # the same set
        ("mine", ("scratch",), True),  # of the rendered defects
        ("mine", ("sheep",), True),
        ("mine", ("bird",), False),
    ],
)
def test_classes_are_seen_in_whatever_set_they_were_asked_for(
    data: str, classes: tuple[str, ...], seen: bool
) -> None:
    sets = (
        str(TrainedSet("parts", 48, ("valve", "hex bolt"))),
        "voc_train: 3062 images",  # by an earlier release, with a bundle
        "procedural_defects: 1680 images",
    )
    subject = SUBJECT.model_copy(update={"trained_on": sets})
    assert subject.has_seen(data, classes, fold=None) == seen


@pytest.mark.parametrize(
    "trained",
    [
        TrainedSet("msrc", 458),
        TrainedSet("fss_train:1/3", 1740, ("abacus", "cup (blue)", "valve, M5")),
        TrainedSet("tiles[0,1/3]", 0),
    ],
)
def test_a_line_of_training_is_read_back(trained: TrainedSet) -> None:
    assert TrainedSet.parse(str(trained)) == trained


def test_what_training_saw_is_unknown_where_it_is_not_recorded() -> None:
    subject = SUBJECT.model_copy(update={"trained_on": ()})
    assert subject.has_seen("blood_cells", ("nucleus",), fold=None)
    assert not subject.has_seen("pascal5i_val", ("bird",), fold=0)


def test_one_row_is_of_one_network() -> None:
    first, second = _record((0, _episodes(50.0))), _record((0, _episodes(60.0, seed=1)))
    other = SUBJECT.model_copy(update={"sha256": {"encoder": "cd" * 32}})
    elsewhere = second.model_copy(update={"subject": other})
    assert "55.0" in results_page({"a": first, "b": second}, "make it")
    with pytest.raises(RecordError, match=r"b records tiny, 337 px on .* with other weights"):
        results_page({"a": first, "b": elsewhere}, "make it")
    fold = elsewhere.model_copy(update={"results": _record((1, _episodes(60.0))).results})
    assert results_page({"a": first, "b": fold}, "make it")


def test_another_share_of_absent_queries_is_another_test() -> None:
    assert PROTOCOL.model_copy(update={"absent": 0.5}).settings == PROTOCOL.settings == ""
    assert PROTOCOL.model_copy(update={"absent": 0.3}).settings == "30% absent"


@pytest.mark.parametrize(
    ("values", "text"), [([1.25], "1.2"), ([1, 3], "2.0 ± 1.4"), ([2, 2, 2], "2.0 ± 0.0")]
)
def test_a_spread_is_the_sample_standard_deviation(values: list[float], text: str) -> None:
    assert spread(values) == text
