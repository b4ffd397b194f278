"""What a job carries, in the archive that Ray makes of it: all code, and nothing that is none."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipelines.cluster.package import check_size, code_files, packed
from pipelines.host.places import REPOSITORY

SECRETS = (
    ".dvc/config.local", ".dvc/cache/files/ab/cdef", ".env", "prod.env", "models/.env",
    "data/keys.env", "recipes/.secret.yaml", "params.local.yaml", ".limber_home", ".git/config",
    ".aws/credentials", "key.pem", "pipelines/key.pem", "pipelines/__pycache__/train.pyc",
    ".venv/lib/site.py", "mlflow.db", "mlartifacts/1/model.json", "runs/demo-1/outbox.json",
    "results/demo/trained/summary.json", "reports/comparison.json", "predictions/poses.json",
    "data/store/raw/coco/annotations/all.json", "data/store/code/demo/train.json",
    "data/photo.jpg", "models/weights.pt", "models/big.onnx", "tests/test_x.py", "notes.yaml",
    "pipelines/service_account.json", "pipelines/report/service_account.json", "data/token.yaml",
    "models/credentials.yml", "recipes/key.json", "recipes/mine/key.yaml", "data/skeletons/k.json",
)  # fmt: skip
CODE = (
    "params.yaml", "recipes/own.yaml", "data/skeletons/own.yaml", "data/datasets/own.py",
    "data/__init__.py", "models/new_network.py", "pipelines/train.py", "pipelines/store/store.py",
    "pipelines/report/learning_curves.json",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Without git; everything in it was changed a moment ago."""
    for name in (*SECRETS, *CODE):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("TOP-SECRET" if name in SECRETS else f"# {name}\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.py").write_text("TOP-SECRET")
    (tmp_path / "checkout/data/linked").symlink_to(elsewhere)
    return tmp_path / "checkout"


def test_code_travels_and_no_secret_or_data(checkout: Path, tmp_path: Path) -> None:
    from ray._private.ray_constants import get_runtime_env_default_excludes
    from ray._private.runtime_env.packaging import create_package

    archive = tmp_path / "package.zip"
    with packed(checkout) as folder:
        excludes = get_runtime_env_default_excludes()
        create_package(str(folder), archive, include_gitignore=True, excludes=excludes)
    assert not folder.exists()
    with zipfile.ZipFile(archive) as content:
        assert sorted(content.namelist()) == sorted(CODE)
        for name in CODE:
            assert content.read(name).decode() == f"# {name}\n"


def test_all_that_this_code_is_made_of_travels() -> None:
    """Each module and each skeleton, schema and page of settings beside them."""
    found = code_files(REPOSITORY)
    for folder in ("data", "models", "pipelines", "recipes"):
        for path in (REPOSITORY / folder).rglob("*"):
            name = path.relative_to(REPOSITORY).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.startswith("data/store/"):
                assert name in found, name
    assert "params.yaml" in found


def test_what_is_too_large_is_refused_by_name_before_it_is_sent(checkout: Path) -> None:
    (checkout / "data/labels.py").write_text("x" * 3_000_000)
    (checkout / "models/table.py").write_text("x" * 2_000_000)
    said = r"has 5 MB; the largest: data/labels\.py \(3 MB\), models/table\.py \(2 MB\)"
    with pytest.raises(ValueError, match=said):
        check_size(checkout, code_files(checkout), limit=4_000_000)
    check_size(checkout, code_files(checkout), limit=6_000_000)


def test_settings_with_a_password_do_not_travel(checkout: Path) -> None:
    settings = "a: {source: 'https://host:8080/images@2x'}\n"
    (checkout / "params.yaml").write_text(settings)
    with packed(checkout):
        pass
    (checkout / "params.yaml").write_text(f"{settings}b: 'https://ann:TOP-SECRET@host/'\n")
    with pytest.raises(ValueError, match=r"params\.yaml, line 2: .*password") as caught:
        packed(checkout).__enter__()
    assert "TOP-SECRET" not in str(caught.value)
    (checkout / "params.yaml").write_text(settings)
    (checkout / "recipes").mkdir(exist_ok=True)
    (checkout / "recipes/own.yaml").write_text("pretrained: {source: 'https://:KEY@host/w.pt'}\n")
    with pytest.raises(ValueError, match=r"recipes/own\.yaml, line 1: .*password"):
        packed(checkout).__enter__()


def test_a_skeleton_that_params_name_by_its_file_travels(checkout: Path) -> None:
    (checkout / "params.yaml").write_text(
        "datasets: {own: {format: coco, skeleton: data/mine/tool.yaml}, coco: {source: a.json}}\n"
    )
    for name in ("data/mine/tool.yaml", "data/mine/other.yaml"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text("name: tool\n")
    assert {n for n in code_files(checkout) if "mine" in n} == {"data/mine/tool.yaml"}


@pytest.mark.parametrize("part", ["TOP-SECRET@host/w.pt", "host/w.pt?token=TOP-SECRET"])
def test_nor_do_those_with_a_token(checkout: Path, part: str) -> None:
    (checkout / "recipes/own.yaml").write_text(f"pretrained: {{source: 'https://{part}'}}\n")
    with pytest.raises(ValueError, match=r"recipes/own\.yaml, line 1: ") as caught:
        packed(checkout).__enter__()
    assert "TOP-SECRET" not in str(caught.value)
