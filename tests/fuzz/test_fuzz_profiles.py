"""Five hundred damaged profiles: each is read by the real reader, or refused in one sentence."""

import random
from pathlib import Path

import pytest

from agent.calibration.maps import Calibration
from tools.errors import LookTwiceError
from tools.profiles import load_profile

MUTATIONS, SEED = 500, 47
SHIPPED = Path(__file__).parents[2] / "tools" / "profiles"
HOSTILE = (
    b"&a [*a]",
    b"*a",
    b"!!python/object/apply:os.system [id]",
    b".nan",
    b"-.inf",
    b"9" * 5000,
    b"\x00",
    b"\xff\xfe",
    b"\t",
    b"{",
    b"[" * 14,
    b"null",
    b"../../../etc",
    b"- - -",
    b'"',
    b"%YAML 9.9\n",
    b"<<: ",
    b"1e400",
    b"\xe2\x80\xae",
    b"~root/x",
    b"~nobody-here/x",
    b"\x1b[31m",
    b"trust_remote_code: true\n",
    b"served: {url: 'http://a@b/v1'}",
    b'"\\ud800"',
    b'"\\0"',
)


def mutated(content, chance):
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 6))):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            changed[at : at + chance.randrange(30)] = chance.choice(HOSTILE)
        elif kind == 1:
            del changed[at : at + chance.randrange(1, 60)]
        elif kind == 2:
            begin = chance.randrange(len(changed) + 1)
            changed[at:at] = changed[begin : begin + 200]
        else:
            changed[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(changed)


def test_no_damaged_profile_brings_a_traceback(tmp_path):
    sources = [path.read_bytes() for path in sorted(SHIPPED.glob("*.yaml"))]
    chance, path, refused = random.Random(SEED), tmp_path / "own.yaml", 0
    for number in range(MUTATIONS):
        path.write_bytes(mutated(chance.choice(sources), chance))
        try:
            profile = load_profile(path)
            for role in type(profile.roles).model_fields:
                profile.role(role)
            Calibration.of_profile(profile.name)
        except LookTwiceError as error:
            refused += 1
            assert "\n" not in str(error)
        except Exception as error:
            pytest.fail(f"mutation {number}: {type(error).__name__}: {error}")
    assert MUTATIONS // 4 < refused < MUTATIONS
    assert [p.name for p in tmp_path.iterdir()] == ["own.yaml"]


@pytest.mark.parametrize("name", ["../../own", "/own", "a\0b", "a" * 5000])
def test_the_name_of_a_profile_is_no_path_of_its_calibration(tmp_path, name):
    (tmp_path / "own.yaml").write_text("- no calibration\n")
    led = str(tmp_path / "own") if name == "/own" else name
    assert Calibration.of_profile(led) == Calibration.of_profile("default")
