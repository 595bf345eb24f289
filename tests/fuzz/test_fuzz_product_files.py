"""Five hundred damaged product files: each reads as a product, or is refused in one sentence."""

import contextlib
import random

from agent.products.spec import ProductSpec
from prompts import ready_made
from tools.errors import InputError

MUTATIONS, SEED = 500, 45
HOSTILE = (
    b"&a [*a]",
    b"*a",
    b"!!python/name:os.system",
    b".nan",
    b"-.inf",
    b"9" * 5000,
    b"\x00",
    b"\xff\xfe",
    b"\t",
    b"{",
    b"[" * 14,
    b"null",
    b"../../etc/passwd",
    b"- - -",
    b'"',
    b"%YAML 9.9\n",
    b"<<: ",
    b"? ",
    b"1e400",
    b"0x" + b"f" * 4000,
    b"\xe2\x80\xae",
)


def mutated(content, chance):
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 6))):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            changed[at : at + chance.randrange(1, 40)] = chance.choice(HOSTILE)
        elif kind == 1:
            del changed[at : at + chance.randrange(1, 200)]
        elif kind == 2:
            begin = chance.randrange(len(changed) + 1)
            changed[at:at] = changed[begin : begin + 300]
        else:
            changed[at : at + 1] = bytes([chance.randrange(256)])
        changed = changed or bytearray(b" ")
    return bytes(changed)


def test_no_damaged_product_file_brings_a_traceback(tmp_path):
    sources = [path.read_bytes() for path in sorted(ready_made().values())]
    chance, path, refused = random.Random(SEED), tmp_path / "product.yaml", 0
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(chance.choice(sources), chance))
        with contextlib.suppress(InputError):
            refused += 1
            ProductSpec.load(path)
            refused -= 1
    assert refused > MUTATIONS // 4
    assert [p.name for p in tmp_path.iterdir()] == ["product.yaml"]
