"""No production file reads data by a loader that could run it, guess its format, or remove a folder by mistake."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("looktwice", "evals", "agent", "tools", "nano", "prompts")
MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "ctypes", "telnetlib", "ftplib"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.load_all",
    "joblib.load",
    "pandas.read_pickle",
    "shutil.unpack_archive",
    "torch.hub.load",
}
SHIPPED = "reads a file that ships with the package; no user names it"
SAFE_LOAD = {
    "tools/documents.py": "is the reader with limits",
    "agent/calibration/maps.py": SHIPPED,
    "evals/benches/full_size.py": SHIPPED,
    "looktwice/examples/__init__.py": SHIPPED,
    "nano/world/words.py": SHIPPED,
    "prompts/__init__.py": SHIPPED,
    "tools/profiles/inventory.py": SHIPPED,
    "evals/fit/fusion_weights.py": "reads the calibration file that the command fits",
}
REMOVES = {
    "looktwice/page/app.py": "the upload folder that the page made itself",
    "looktwice/page/sessions.py": "folders of visits that the page made itself",
    "nano/world/write.py": "the folder beside the target that the writer made itself, or a stamped world",
}
TORCHSCRIPT = {"evals/benches/peers_anomalib.py": "the network that the bench traced a moment ago"}
ALLOWED = {"yaml.safe_load": SAFE_LOAD, "shutil.rmtree": REMOVES, "torch.jit.load": TORCHSCRIPT}


def names_of(tree):
    """Full dotted name of each imported local name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        # Such as `jit: Any = torch.jit`.
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.value, ast.Attribute)
        ):
            found.setdefault(node.target.id, dotted(node.value, found))
    return found


def dotted(node, names):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def is_constant(node, value):
    return isinstance(node, ast.Constant) and node.value is value


def faults(text, where):
    """What a file does that none should."""
    tree = ast.parse(text)
    names = names_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {name}" for name in modules if name.split(".")[0] in MODULES)
        if isinstance(node, ast.Attribute | ast.Name):
            name = dotted(node, names)
            if name in ALLOWED and where not in ALLOWED[name]:
                yield name
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "trust_remote_code" and not is_constant(value, False):
                    yield "remote code"
        if isinstance(node, ast.Call):
            yield from call_faults(node, dotted(node.func, names))


def call_faults(node, name):
    given = {k.arg: k.value for k in node.keywords}
    if name in CALLS or name.endswith(".extractall"):
        yield name
    if name == "PIL.Image.open" and "formats" not in given:
        yield "Image.open without formats"
    if name == "numpy.load" and not is_constant(given.get("allow_pickle", ast.Constant(False)), False):
        yield "np.load with allow_pickle"
    if name == "torch.load" and not is_constant(given.get("weights_only"), True):
        yield "torch.load without weights_only"
    if "shell" in given:
        yield "shell"
    if "trust_remote_code" in given and not is_constant(given["trust_remote_code"], False):
        yield "remote code"


def test_no_production_file_uses_a_permissive_loader():
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            found += [f"{where}: {fault}" for fault in faults(path.read_text(encoding="utf-8"), where)]
    assert found == []


def test_every_exception_is_still_needed():
    for name, files in ALLOWED.items():
        assert [f for f in files if name not in faults_anywhere(ROOT / f)] == [], name


def faults_anywhere(path):
    return set(faults(path.read_text(encoding="utf-8"), "elsewhere"))


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import shelve as s",
        "import marshal",
        "eval(x)",
        "exec(x)",
        "from PIL import Image\nImage.open(x)",
        "import PIL.Image\nPIL.Image.open(x)",
        "from PIL import Image as I\nI.open(x)",
        "import numpy as np\nnp.load(x, allow_pickle=True)",
        "import numpy\nnumpy.load(x, allow_pickle=y)",
        "import torch\ntorch.load(x)",
        "import torch\ntorch.load(x, weights_only=False)",
        "from torch import load\nload(x)",
        "import torch\njit: Any = torch.jit\njit.load(x)",
        "import joblib\njoblib.load(x)",
        "import yaml\nyaml.load(x)",
        "import yaml as y\ny.safe_load(x)",
        "from yaml import safe_load\nsafe_load(x)",
        "f(trust_remote_code=True)",
        "f(trust_remote_code=x)",
        "f(**{'trust_remote_code': True})",
        "import shutil\nshutil.rmtree(x)",
        "import atexit, shutil\natexit.register(shutil.rmtree, x)",
        "from shutil import rmtree\nrmtree(x)",
        "import subprocess\nsubprocess.run(x, shell=True)",
        "import os\nos.system(x)",
        "t.extractall(x)",
    ],
)
def test_each_kind_is_found(text):
    assert list(faults(text, "room/file.py"))
