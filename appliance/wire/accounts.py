"""Sign-in, the account, its devices."""

from __future__ import annotations

from datetime import datetime

from .fields import Answer, Device, Login, Password, Request

__all__ = ["Account", "Devices", "NewPassword", "Session", "SignIn", "SignedInDevice"]


class SignIn(Request, frozen=True, kw_only=True):
    login: Login
    password: Password
    device: Device = "unnamed"


class Account(Answer, frozen=True, kw_only=True):
    id: str
    login: str
    role: str
    space: str
    created_at: datetime


class Session(Answer, frozen=True, kw_only=True):
    token: str
    device_id: str
    expires_at: datetime
    account: Account


class NewPassword(Request, frozen=True, kw_only=True):
    old: Password
    new: Password


class SignedInDevice(Answer, frozen=True, kw_only=True):
    id: str
    device: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool


class Devices(Answer, frozen=True, kw_only=True):
    items: list[SignedInDevice]
