"""Which authorities are trusted: the system's and one more, as in a company's browsers."""

from __future__ import annotations

import ssl
from pathlib import Path

from appliance.client.errors import LocalFault, from_os

__all__ = ["blind", "trusting"]


def trusting(ca: str) -> ssl.SSLContext:
    """`ca`: path of a PEM file, or "". Raises LocalFault."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        try:
            made.load_verify_locations(cadata=Path(ca).read_text("ascii"))
        except ssl.SSLError as error:
            raise LocalFault(f"{ca} isn't a PEM certificate ({error.reason}).") from error
        except OSError as error:
            raise from_os(error, ca) from error
        except UnicodeDecodeError:
            raise LocalFault(f"{ca} isn't a PEM certificate.") from None
    return made


def blind() -> ssl.SSLContext:
    """To read a certificate that is refused; nothing is ever sent by it."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made
