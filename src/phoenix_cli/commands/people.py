"""`operator` and `policy`: who may sign for this desk, and within which limits it trades. Both are signed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.acting import refuse_with, sign_and_act
from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import emit, wants_json

if TYPE_CHECKING:
    from phoenix_core.beads import Policy


@click.group("operator")
def operator_command() -> None:
    """Keys that may sign: list, enrol, revoke.

    Example: phoenix operator list
    """


@operator_command.command("list")
@click.pass_context
def operator_list(ctx: click.Context) -> None:
    """Every key that may sign, or might once.

    Example: phoenix operator list
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        rows = [
            {"key": k.key, "name": k.name, "assurance": k.assurance, "enrolled": k.enrolled, "revoked": k.revoked}
            for k in session.desk.approvals.keys.values()
        ]
        words = [f"{r['name']:<16} {r['assurance']:<9} {r['key']} {'REVOKED' if r['revoked'] else ''}" for r in rows]
        emit(ctx, {"operators": rows}, "\n".join(words))


@operator_command.command("enrol")
@click.argument("public_key", type=click.Path(exists=True, path_type=Path))
@click.option("--name", required=True, help="Whose key it is.")
@click.pass_context
def operator_enrol(ctx: click.Context, public_key: Path, name: str) -> None:
    """Let another OpenSSH key sign from now on; signed by a key that may already.

    Example: phoenix operator enrol ~/.ssh/id_ed25519_sk.pub --name second
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import load_public
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Enrol
    from phoenix_core.values import word

    with opened(home_of(ctx)) as session:
        key = load_public(public_key)
        said = sign_and_act(ctx, session, Enrol(key.fingerprint, key.line, word(name, "--name"), key.type.assurance))
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        emit(ctx, {"key": key.fingerprint, "name": name}, f"enrolled {name} {key.fingerprint}")


@operator_command.command("revoke")
@click.argument("key")
@click.option("--reason", required=True, help="Why.")
@click.pass_context
def operator_revoke(ctx: click.Context, key: str, reason: str) -> None:
    """Let a key sign no more; a revoked key never comes back.

    Example: phoenix operator revoke SHA256:AbC --reason "lost device"
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Revoke
    from phoenix_core.values import BadInput, text_hash

    with opened(home_of(ctx)) as session:
        near = [k for k in session.desk.approvals.keys if k.startswith(key)]
        if len(near) != 1:
            raise BadInput("KEY", key, "name one key; see `phoenix operator list`")
        said = sign_and_act(ctx, session, Revoke(near[0], text_hash(reason)), {text_hash(reason): reason})
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        emit(ctx, {"key": near[0], "revoked": True}, f"revoked {near[0]}")


@click.group("policy")
def policy_command() -> None:
    """The limits and rules in force: show, set.

    Example: phoenix policy show
    """


@policy_command.command("show")
@click.pass_context
def policy_show(ctx: click.Context) -> None:
    """The policy in force, as a file that `policy set` would take.

    Example: phoenix policy show > policy.json
    """
    import json

    from phoenix_cli.wiring.opening import opened
    from phoenix_core.acts.lights import policy_of
    from phoenix_core.records import to_json

    with opened(home_of(ctx)) as session:
        policy = policy_of(session.desk)
        body = to_json(policy) if policy is not None else {}
        signed = body.pop("signed", None) is not None
        emit(ctx, {"policy": body, "signed": signed}, json.dumps(body, indent=1))


@policy_command.command("set")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.pass_context
def policy_set(ctx: click.Context, file: Path) -> None:
    """Put a policy in force, signed; what was approved under the old one is withdrawn, and a strategy that earned
    anything under it begins its shadow anew.

    Example: phoenix policy set policy.json
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import opened
    from phoenix_core.acts.approve import begins_anew
    from phoenix_core.gate.statements import SetPolicy, policy_hash

    policy = read_policy(file)
    with opened(home_of(ctx)) as session:
        anew = begins_anew(session.desk, policy_hash(policy))
        if anew and sys.stdin.isatty() and not wants_json(ctx):
            earned = ", ".join(f"{name} ({len(session.desk.promotions.shadow[name])} sessions)" for name in anew)
            _ = click.confirm(f"under another policy the shadow begins anew of {earned}; put it in force", abort=True)
        said = sign_and_act(ctx, session, SetPolicy(policy_hash(policy)), policy=policy)
        if not is_successful(said):
            refuse_with(ctx, said.failure())
        words = [f"in force: {policy_hash(policy)}"]
        words += [f"{name}: its shadow begins anew, and `phoenix bunny` owes it a sweep" for name in anew]
        emit(ctx, {"policy": policy_hash(policy), "signed": True, "revalidate": anew}, "\n".join(words))


def read_policy(file: Path) -> Policy:
    """A policy from its JSON file; raises `BadInput` that names the field."""
    import json

    from phoenix_core.beads import Policy
    from phoenix_core.gate.limits import out_of_bounds
    from phoenix_core.records import of_json
    from phoenix_core.values import BadInput

    try:
        document = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput("FILE", str(file), f"write JSON: {error}") from error
    if isinstance(document, dict) and "signed" in document:
        raise BadInput("policy.signed", "...", "leave the signature out: `policy set` makes it")
    policy = of_json(Policy, document, "policy")
    for wrong in out_of_bounds(policy):
        raise wrong
    return policy
