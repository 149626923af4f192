"""A signature is the owner's alone, is of every byte, and is OpenSSL's too."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from tiny_model import tiny_card, write_tiny

from sottovoce.cli import run
from sottovoce.errors import ModelError
from sottovoce.models.model_file import with_card
from sottovoce.models.signature import sign, signature_file, verify

PEM = serialization.Encoding.PEM


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Private, public."""
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(PEM, form))
    return private, public


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "m.onnx")


def test_what_was_signed_is_verified(model: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "anna")
    assert sign(model, private) == signature_file(model) == tmp_path / "m.onnx.sig"
    verify(model, public)


def test_whoever_seals_a_changed_model_anew_is_found_out(model: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "anna")
    sign(model, private)
    model.write_bytes(with_card(model.read_bytes(), tiny_card(name="other").to_json()))
    with pytest.raises(ModelError, match="not what the owner of"):
        verify(model, public)


def test_another_s_signature_is_none(model: Path, tmp_path: Path) -> None:
    sign(model, write_keys(tmp_path, "bert")[0])
    with pytest.raises(ModelError, match=r"not what the owner of .*anna\.pub signed"):
        verify(model, write_keys(tmp_path, "anna")[1])


def test_a_change_of_any_bit_of_a_signature_is_noticed(model: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "anna")
    signature = sign(model, private)
    whole = signature.read_bytes()
    for at in range(64):
        signature.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ModelError):
            verify(model, public)
    signature.write_bytes(whole + b"\n")
    with pytest.raises(ModelError, match="no signature; expected 64 bytes"):
        verify(model, public)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL is not here")
def test_openssl_makes_keys_and_signatures_and_checks_them(model: Path, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "key.pub")
    given = ("-rawin", "-in", "m.onnx")
    openssl("pkeyutl", "-sign", "-inkey", "key.pem", *given, "-out", "m.onnx.sig")
    verify(model, tmp_path / "key.pub")
    sign(model, tmp_path / "key.pem")
    checked = ("-verify", "-pubin", "-inkey", "key.pub", "-sigfile", "m.onnx.sig")
    openssl("pkeyutl", *checked, *given)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\xff" * 99])
def test_what_is_no_key_is_one_line(model: Path, tmp_path: Path, content: bytes) -> None:
    private, public = write_keys(tmp_path, "anna")
    sign(model, private)
    (tmp_path / "bad").write_bytes(content)
    for use in (sign, verify):
        with pytest.raises(ModelError, match=r"no Ed25519 (private|public) key") as refused:
            use(model, tmp_path / "bad")
        assert "\n" not in str(refused.value)
    for use, wrong in ((sign, public), (verify, private)):
        with pytest.raises(ModelError, match="no Ed25519"):
            use(model, wrong)


def test_the_commands(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    private, public = write_keys(tmp_path, "anna")
    verifying = ["models", "verify", str(model), "--key", str(public)]
    assert run(verifying) == 2
    assert "m.onnx.sig: cannot be read" in capfd.readouterr().err
    assert run(["models", "sign", str(model), "--key", str(private)]) == 0
    assert capfd.readouterr().out == f"{signature_file(model)}\n"
    assert run(verifying) == 0
    assert capfd.readouterr().out == f"{model}: signed by the owner of {public}\n"
    assert run(["models", "show", str(model)]) == run(["models", str(model)]) == 0
