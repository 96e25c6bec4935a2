"""Calls about sign-in, the account and its devices."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from appliance.client.api import Api
from appliance.wire.accounts import Account, Devices, NewPassword, Session, SignIn

__all__ = ["AccountCalls"]


@dataclass(frozen=True, slots=True)
class AccountCalls:
    api: Api

    async def sign_in(self, request: SignIn) -> Session:
        """Not repeated: each try counts against the account's limit."""
        return await self.api.call("POST", "session", Session, body=request, once=True)

    async def sign_out(self) -> None:
        await self.api.call("DELETE", "session", type(None))

    async def account(self) -> Account:
        return await self.api.call("GET", "account", Account)

    async def change_password(self, request: NewPassword) -> None:
        await self.api.call("PUT", "account/password", type(None), body=request, once=True)

    async def devices(self) -> Devices:
        return await self.api.call("GET", "account/devices", Devices)

    async def revoke(self, device: str) -> None:
        await self.api.call("DELETE", f"account/devices/{quote(device, safe='')}", type(None))
