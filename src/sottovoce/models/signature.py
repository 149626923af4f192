"""Whose a model file is: a signature beside it, Ed25519 (RFC 8032) over all of its bytes.

The seal inside a model file finds damage; whoever changes the file can seal it anew. A signature
can be made by the owner of the private key alone. OpenSSL makes the same: the signature is its 64
bytes, the keys are PEM.
"""

from pathlib import Path
from typing import Any

from sottovoce.errors import MissingExtraError, ModelError
from sottovoce.system import write_atomically
from sottovoce.text import display_path, one_line

SIZE = 64
"""Bytes of a signature."""


def signature_file(model: Path) -> Path:
    """Where the signature of a model file lies: beside it, `.sig` after its whole name."""
    return model.with_name(f"{model.name}.sig")


def sign(model: Path, key: Path) -> Path:
    """Sign a model file.

    Args:
        model: the file.
        key: PEM file of an Ed25519 private key without a password.

    Returns:
        The file of the signature; one that was there is replaced.

    Raises:
        ModelError: a file cannot be read or written, or the key is another one.
        MissingExtraError: cryptography is not installed.
    """
    from_pem, kind = _library("load_pem_private_key", "Ed25519PrivateKey")
    private = _key(key, lambda content: from_pem(content, password=None), kind, "private")
    target = signature_file(model)
    try:
        write_atomically(target, private.sign(_content(model)))
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ModelError(f"{display_path(target)}: cannot be written ({reason})") from None
    return target


def verify(model: Path, key: Path, signature: Path | None = None) -> None:
    """Check that a model file is, to the last bit, what the owner of a key signed.

    Args:
        model: the file.
        key: PEM file of the Ed25519 public key, which must come from somebody one trusts, and not
            together with the model.
        signature: its file; None: `signature_file`.

    Raises:
        ModelError: it is not, or a file cannot be read.
        MissingExtraError: cryptography is not installed.
    """
    from_pem, kind = _library("load_pem_public_key", "Ed25519PublicKey")
    from cryptography.exceptions import InvalidSignature

    public = _key(key, from_pem, kind, "public")
    signature = signature or signature_file(model)
    signed = _content(signature, SIZE + 1)
    if len(signed) != SIZE:
        raise ModelError(f"{display_path(signature)}: no signature; expected {SIZE} bytes")
    try:
        public.verify(signed, _content(model))
    except InvalidSignature:
        raise ModelError(
            f"{display_path(model)}: not what the owner of {display_path(key)} signed; do not use "
            "it, and get it again from them"
        ) from None


def _library(load: str, kind: str) -> tuple[Any, type[Any]]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise MissingExtraError("signing models", "cryptography", "signing") from None
    return getattr(serialization, load), getattr(ed25519, kind)


def _key(file: Path, load: Any, kind: type[Any], what: str) -> Any:
    content = _content(file, 100_000)
    try:
        key = load(content)
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        key, reason = None, f" ({one_line(error)})"
    else:
        reason = ""
    if not isinstance(key, kind):
        raise ModelError(
            f"{display_path(file)}: no Ed25519 {what} key in PEM without a password{reason}; "
            "docs/security.md says how to make one"
        )
    return key


def _content(file: Path, most: int = -1) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise ModelError(f"{display_path(file)}: cannot be read ({error.strerror})") from None
