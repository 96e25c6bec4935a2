"""Sign-in, the own account, its devices."""

from __future__ import annotations

from appliance.domain import ids
from appliance.gateway.call import Call
from appliance.gateway.queries import NoQuery
from appliance.wire.accounts import Account, Devices, NewPassword, Session, SignIn

__all__ = [
    "account",
    "change_password",
    "devices",
    "revoke_device",
    "sign_in",
    "sign_out",
]


async def sign_in(call: Call[NoQuery, SignIn]) -> Session:
    return await call.services.accounts.sign_in(call.body)


async def sign_out(call: Call[NoQuery, None]) -> None:
    await call.services.accounts.sign_out(call.caller)


async def account(call: Call[NoQuery, None]) -> Account:
    return await call.services.accounts.account(call.caller)


async def change_password(call: Call[NoQuery, NewPassword]) -> None:
    await call.services.accounts.change_password(call.caller, call.body)


async def devices(call: Call[NoQuery, None]) -> Devices:
    return await call.services.accounts.devices(call.caller)


async def revoke_device(call: Call[NoQuery, None]) -> None:
    device_id = ids.decode_key("p", call.path("token"))
    await call.services.accounts.revoke(call.caller, device_id)
