"""Scan files: anybody can write one, nothing in one is believed before it is bounded, and the decision survives."""

from __future__ import annotations

import io
import json
import re
import zipfile
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.lines import covered
from gateway.cli.main import main
from gateway.detection.detector import Detector, Policy
from gateway.judgement import SHIPPED_MODEL
from gateway.scan_file import FILE_BYTES_MAX, FORMS, read_scan, write_scan
from gateway.scan_keys import ScanFileRefused
from hil.scene.scenario import scenario
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan

DOC = (Path(__file__).parents[2] / "docs" / "scan-format.md").read_text()
SHAPE = (1, 8, 8, 256)
BAND: dict[str, Any] = {"carrier_hz": 423e3, "rate_hz": 20e3, "echo_spacing_s": 0.014, "echoes_per_group": 1,
                        "trains": 10}
KEYS: dict[str, Any] = {"format": "spingate scan", "version": 1, "bands": [BAND]}


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


@cache
def nitrate() -> CalibratedScan:
    """A scan that alarms."""
    return calibrated(scenario("nitrate").scan(), number=12)


def npz(keys: object = None, **arrays: object) -> bytes:
    """A file as numpy writes it; ones for a field unless another is given."""
    stream = io.BytesIO()
    whole = {"field_ft": np.ones(SHAPE, np.complex64), "sidecar": json.dumps(KEYS if keys is None else keys), **arrays}
    np.savez(stream, **{name: array for name, array in whole.items() if array is not None})  # type: ignore[arg-type]  # any array
    return stream.getvalue()


def cbor(**other: object) -> bytes:
    """The same as one CBOR map."""
    numbers = cbor2.CBORTag(85, np.ones(SHAPE, "<c8").tobytes())
    return cbor2.dumps({**KEYS, "field_ft": cbor2.CBORTag(40, [[*SHAPE, 2], numbers]), **other})


@pytest.mark.parametrize("keys", [
    {**KEYS, "id": 10**400}, {**KEYS, "bands": [{**BAND, "trains": 10**400}]}, {**KEYS, "reason": "x\ud800"},
    {**KEYS, "device": {"make": "\udfff"}}, {**KEYS, "flags": ["\ud83d"]}])
def test_numbers_and_text_that_no_answer_can_repeat_are_refused(keys: dict[str, Any]) -> None:
    """One such file ended the command with the exit code of an alarm, or before the files behind it were decided."""
    with pytest.raises(ScanFileRefused, match="must be"):
        read_scan(npz(keys))


def test_a_file_cannot_draw_an_answer_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it says of itself is printed with its line feeds and escape codes spelt out."""
    path = tmp_path / "scan.npz"
    path.write_bytes(npz({**KEYS, "reason": "\x1b[2J", "flags": ["a\nscan 0: CLEAR"]}))
    assert main(["detect", str(path)]) == 3
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\nscan 0: CLEAR" not in out


@pytest.mark.parametrize("form", FORMS)
def test_a_scan_written_and_read_again_gets_the_same_verdict_to_the_last_bit(form: str) -> None:
    """Both forms keep every point, the digest of the raw data, and what is known of the scan."""
    again = read_scan(write_scan(nitrate(), form))
    assert detector().decide(again) == detector().decide(nitrate())
    assert replace(again, bands=()) == replace(nitrate(), bands=())
    assert write_scan(again, form) == write_scan(nitrate(), form)


def test_the_ten_lines_of_the_documentation_make_a_file_that_alarms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """Exactly what docs/scan-format.md shows, run as it stands, is found to be ammonium nitrate."""
    found = re.search(r"```python\n(.*?)```", DOC, re.DOTALL)
    assert found
    monkeypatch.chdir(tmp_path)
    exec(compile(found[1], "docs/scan-format.md", "exec"), {})  # noqa: S102  our own documentation
    assert main(["detect", "scan.npz", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "alarm"
    assert [one["substance"] for one in told["substances"] if one["alarmed"]] == ["ammonium nitrate"]
    assert len(told["substances"]) == len(covered())


def test_the_documentation_names_every_key() -> None:
    """A key that is added or renamed changes the page."""
    from gateway.scan_keys import BandKeys, ScanKeys

    for keys in (ScanKeys, BandKeys):
        for name in keys.__struct_fields__:
            assert f"| `{name}` |" in DOC, name


@pytest.mark.parametrize("array", [
    np.ones(SHAPE, np.complex128), np.asfortranarray(np.ones(SHAPE, np.complex64)), np.ones(SHAPE, ">c8")])
def test_points_of_any_complex_width_and_order_are_taken(array: np.ndarray[Any, Any]) -> None:
    """The default of numpy, a Fortran array and a big-endian one hold the same points."""
    field = read_scan(npz(field_ft=array)).bands[0].field_ft
    assert field.dtype == np.complex64
    assert (field == 1).all()


def test_a_compressed_archive_and_a_marked_cbor_map_are_taken() -> None:
    """savez_compressed, and the mark of self-described CBOR."""
    stream = io.BytesIO()
    np.savez_compressed(stream, field_ft=np.ones(SHAPE, np.complex64), sidecar=json.dumps(KEYS))
    plain = read_scan(cbor())
    assert repr(read_scan(stream.getvalue()).bands) == repr(plain.bands)
    assert repr(read_scan(b"\xd9\xd9\xf7" + cbor()).bands) == repr(plain.bands)


def test_what_a_file_does_not_say_is_unknown() -> None:
    """Standoff, power and calibration have no friendly default; NaN is a way to say unknown."""
    bare = read_scan(npz())
    assert not bare.trust.calibrated
    assert "does not say" in bare.trust.reason
    assert np.isnan([bare.standoff_m, bare.bay_temperature_k, bare.bands[0].reflected, bare.bands[0].u_relative]).all()
    assert bare.dwell_s == pytest.approx(10 * 8 * 0.014)
    assert repr(read_scan(npz(KEYS | {"standoff_m": float("nan")})).standoff_m) == "nan"


def test_the_gain_of_each_channel_is_what_the_file_says_or_what_its_pilot_shows() -> None:
    """An array of gains, a pilot tone of known field, or else whether a channel holds anything at all."""
    field = np.ones(SHAPE, np.complex64)
    field[0, 3] = 0
    assert read_scan(npz(field_ft=field)).bands[0].pilot_gain.tolist() == [1, 1, 1, 0, 1, 1, 1, 1]
    gain = np.full((1, 8), 0.5j, np.complex64)
    assert (read_scan(npz(pilot_gain=gain)).bands[0].pilot_gain == 0.5j).all()
    tone = 7.0 * np.exp(2j * np.pi * 2500.0 * (np.arange(256) - 127.5) / 20e3)
    piloted = KEYS | {"bands": [BAND | {"pilot_ft": 10.0, "pilot_offset_hz": 2500.0}]}
    found = read_scan(npz(piloted, field_ft=np.broadcast_to(tone, SHAPE))).bands[0].pilot_gain
    np.testing.assert_allclose(found, 0.7, rtol=1e-5)


@pytest.mark.parametrize(("keys", "says"), [
    (KEYS | {"dwell": 1.0}, "dwell = 1.0: unknown key"),
    (KEYS | {"version": 2}, "version = 2:"),
    (KEYS | {"bands": []}, "bands = []:"),
    (KEYS | {"bands": [BAND] * 33}, "bands ="),
    (KEYS | {"bands": [BAND, BAND]}, "bands[1].carrier_hz = 423000: must be unique"),
    (KEYS | {"bands": [BAND | {"rate_hz": 1e3}]}, "bands[0].rate_hz = 1000: must be 16000 to 40000"),
    (KEYS | {"bands": [BAND | {"rate_hz": "fast"}]}, "bands[0].rate_hz = 'fast': must be"),
    (KEYS | {"bands": [{k: v for k, v in BAND.items() if k != "trains"}]}, "bands[0].trains is missing"),
    (KEYS | {"bands": [BAND | {"trains": 0}]}, "bands[0].trains = 0: must be 1 to 65535"),
    (KEYS | {"bands": [BAND | {"echo_spacing_s": 0.01}]}, "bands[0].echo_spacing_s = 0.01: must be 0.0128 or more"),
    (KEYS | {"bands": [BAND | {"pilot_offset_hz": 1e4}]}, "bands[0].pilot_offset_hz = 10000: must lie in the band"),
    (KEYS | {"dwell_s": 0.5}, "dwell_s = 0.5: must be 1.12 or more"),
    (KEYS | {"dwell_s": float("inf")}, "dwell_s = inf: must be"),
    (KEYS | {"raw_sha256": "00"}, "raw_sha256 = '00': must be"),
    ([], "sidecar = []: must be"), (5, "sidecar = 5: must be"),
])
def test_a_key_that_breaks_a_rule_is_refused_with_key_value_and_rule(keys: object, says: str) -> None:
    """Whoever wrote the file can mend it from the message alone."""
    with pytest.raises(ScanFileRefused) as refused:
        read_scan(npz(keys))
    assert says in str(refused.value)


@pytest.mark.parametrize(("data", "says"), [
    (b"", "neither"), (b"{}", "neither"), (b"PK\x03\x04", "a damaged archive"), (bytes(FILE_BYTES_MAX + 1), "at most"),
    (npz(field_ft=None), "field_ft is missing"), (npz(sidecar=None), "sidecar is missing"),
    (npz(extra=np.ones(1)), "array 'extra' in the archive: must be"),
    (npz(field_ft=np.ones((1, 8, 8, 255), np.complex64)), "field_ft of shape (1, 8, 8, 255): must be (1, 8, 8, 256)"),
    (npz(field_ft=np.ones(SHAPE)), "field_ft of type float64"),
    (npz(pilot_gain=np.ones((2, 8), np.complex64)), "pilot_gain of shape (2, 8): must be (1, 8)"),
    (npz(sidecar="{"), "sidecar: not JSON"), (npz(sidecar="[" * 60_000), "sidecar: not JSON"),
    (npz(sidecar=np.array(["{}"])), "must be one JSON text"), (npz(sidecar="x" * 70_000), "at most 65536 characters"),
    (npz(sidecar=np.array({"a": 1}, object)), "sidecar of type object"),
    (cbor(field_ft=[1]), "field_ft: must be an array of 5 dimensions (tag 40)"),
    (cbor(field_ft=cbor2.CBORTag(40, [[1, 8, 8, 256, 2], cbor2.CBORTag(85, bytes(8))])), "field_ft of 8 bytes"),
    (cbor(field_ft=cbor2.CBORTag(40, [[1, 8, 8, 256, 2], cbor2.CBORTag(81, bytes(131_072))])), "tag 85"),
    (cbor(field_ft=cbor2.CBORTag(40, [[2**40, 2], 1])), "field_ft of dimensions"),
    (cbor(when=cbor2.CBORTag(1, 5)), "not CBOR as this format has it"), (cbor() + b"\0", "something follows"),
    (cbor()[:-1], "not CBOR"), (b"\xa0", "field_ft is missing"),
])
def test_bytes_that_are_no_scan_file_are_refused_with_the_reason(data: bytes, says: str) -> None:
    """Truncated, foreign, nested, pickled or of another shape: one clear line, no other exception."""
    with pytest.raises(ScanFileRefused, match=re.escape(says)):
        read_scan(data)


def test_an_archive_that_would_unpack_to_gigabytes_is_refused_before_it_is_unpacked() -> None:
    """A member's size is looked at first; an array's header is not believed either."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("field_ft.npy", bytes(64 << 20))
    with pytest.raises(ScanFileRefused, match="must be at most"):
        read_scan(stream.getvalue())
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<c8", "fortran_order": False, "shape": (2**40,)})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("field_ft.npy", head.getvalue())
        archive.writestr("sidecar.npy", head.getvalue())
    with pytest.raises(ScanFileRefused, match="not an array"):
        read_scan(stream.getvalue())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_makes_a_reader_fall_over(data: st.DataObject) -> None:
    """Any byte changed or cut gives a scan or a refusal, in both forms."""
    whole = bytearray(data.draw(st.sampled_from([npz(), cbor()])))
    near = st.one_of(st.integers(0, 400), st.integers(len(whole) - 2000, len(whole) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(near)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(whole), len(whole) - 1, 300, 100]))
    with suppress(ScanFileRefused):
        read_scan(bytes(whole[:cut]))


def test_several_files_are_decided_in_one_call_and_the_gravest_answer_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """0 clear, 3 not inspectable, 2 unusable, 1 alarm; each file has an object of its own."""
    files = {"alarm": write_scan(nitrate(), "npz"), "clear": write_scan(calibrated(scenario("benign").scan()), "cbor"),
             "shielded": write_scan(calibrated(scenario("shielded").scan()), "npz"), "broken": b"PK\x03\x04"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    asked = ((["clear"], 0), (["clear", "shielded"], 3), (["shielded", "broken", "clear"], 2), (list(files), 1))
    for names, code in asked:
        assert main(["detect", "--json", *(str(tmp_path / name) for name in names)]) == code, names
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()[-len(files):]]
    assert [one.get("verdict") for one in told] == ["alarm", "clear", "not inspectable", None]
    assert "a damaged archive" in told[3]["error"]


def test_a_scan_file_and_an_nqrduck_file_are_not_mistaken_for_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the words of a line the command says what an NQRduck file needs; half of them are refused."""
    duck = Path(__file__).parents[1] / "captures" / "nqr_Bi_sample_SE.meas"
    assert main(["detect", str(duck)]) == 2
    assert "needs --line-khz and --width-khz" in capsys.readouterr().err
    assert main(["detect", str(duck), "--line-khz", "83561"]) == 2
    assert "together" in capsys.readouterr().err


def test_detect_takes_model_and_demands_from_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """What the gateway's operator demands decides here as well."""
    (tmp_path / "scan").write_bytes(write_scan(calibrated(scenario("benign").scan()), "npz"))
    config = tmp_path / "gateway.toml"
    config.write_text('[gateway]\nid = "bay"\n[detection.limit_kg_max]\n"TNT (monoclinic)" = 0.1\n')
    assert main(["detect", "--config", str(config), str(tmp_path / "scan")]) == 3
    assert "TNT (monoclinic): up to" in capsys.readouterr().out


def test_scan_files_of_one_load_are_joined_and_decided_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """One object names all files and scans; what is no further scan of the load is refused, and nothing is decided."""
    names = [str(tmp_path / f"{at}.npz") for at in range(3)]
    for at, name in enumerate(names):
        scan = replace(one_of_a_load(at), raw_sha256=bytes([at + 1]) * 32)
        Path(name).write_bytes(write_scan(scan, "npz"))
    assert main(["detect", "--join", "--json", *names]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["files"], told["verdict"], told["calibrated"]) == (names, "clear", True)
    assert told["look"]["raw_sha256s"] == [(bytes([at + 1]) * 32).hex() for at in range(3)]
    assert told["look"]["dwell_s"] == pytest.approx(360.0, rel=0.05)
    assert main(["detect", "--join", *names]) == 0
    assert "3 scans of one load" in capsys.readouterr().out
    assert main(["detect", "--join", "--json", names[0], names[0]]) == 2
    told, said = capsys.readouterr()
    assert json.loads(told)["error"] in said
    assert "scan 2 is scan 1 again" in said
    (tmp_path / "other.npz").write_bytes(write_scan(nitrate(), "npz"))
    assert main(["detect", "--join", names[0], str(tmp_path / "other.npz")]) == 2
    assert "another schedule" in capsys.readouterr().err
    assert main(["detect", "--join", names[0], "--line-khz", "423", "--width-khz", "1"]) == 2


def one_of_a_load(number: int) -> CalibratedScan:
    """One of several scans of a harmless load by one head."""
    shown = scenario("benign")
    return calibrated(replace(shown, bay=replace(shown.bay, head=1)).scan(120.0, seed=number), number=number)
