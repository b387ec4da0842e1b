"""The store that DVC uses, asked by the same protocol."""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError

from deploy.doctor import Finding
from deploy.store import Store, of_dvc

MAX_SKEW = 300  # seconds; S3 refuses requests that are 900 off
CHECKS = ("store", "clock", "credentials", "bucket", "writable", "checksums")
CREDENTIALS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "InvalidSecurity", "403")


def store(project: Path) -> list[Finding]:
    """Check what lies between this machine and the bucket, as far as each step lets the next be looked at."""
    found = list(_checks(project))
    reason = found[-1].check
    return found + [Finding(check, "skip", f"not looked at: {reason} comes first") for check in CHECKS[len(found) :]]


def _checks(project: Path) -> Iterator[Finding]:
    place = of_dvc(project)
    if place is None:
        yield Finding("store", "skip", "DVC has no S3 remote")
        return
    if not place.key and boto3.Session().get_credentials() is None:
        yield Finding("store", "skip", "no store is set up; data stay on this machine. quire store start sets one up")
        return
    try:
        answer = httpx.get(place.endpoint or "https://s3.amazonaws.com", timeout=5)
    except httpx.HTTPError as error:
        remedy = "quire store start, or name yours: AWS_ENDPOINT_URL=… quire store start"
        yield Finding("store", "fix", f"{place.endpoint} does not answer: {error or type(error).__name__}", remedy)
        return
    yield Finding("store", "ok", f"{place.endpoint or 'AWS'} answers{_overruled(place)}")
    yield clock(answer, datetime.now(UTC))
    yield from _bucket(place)


def _overruled(place: Store) -> str:
    wanted = os.environ.get("AWS_ENDPOINT_URL")
    return (
        f"; AWS_ENDPOINT_URL={wanted} is not what DVC uses until quire store start" if wanted not in (None, place.endpoint) else ""
    )


def clock(answer: httpx.Response, now: datetime) -> Finding:
    """Whether this machine's clock agrees with the time that the store's answer bears."""
    if "date" not in answer.headers:
        return Finding("clock", "skip", "the store does not say its time")
    skew = (now - parsedate_to_datetime(answer.headers["date"])).total_seconds()
    if abs(skew) > MAX_SKEW:
        return Finding("clock", "fix", f"{skew:+.0f} s from the store's", "set the clock: timedatectl set-ntp true")
    return Finding("clock", "ok", f"within {abs(skew) + 1:.0f} s of the store's")


def _bucket(place: Store) -> Iterator[Finding]:
    try:
        place.client().list_objects_v2(Bucket=place.bucket, MaxKeys=1)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in CREDENTIALS:
            remedy = "right AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or dvc remote modify --local store access_key_id …"
            yield Finding("credentials", "fix", f"the store refuses them: {_words(error)}", remedy)
            return
        yield Finding("credentials", "ok", "the store takes them")
        yield Finding(
            "bucket",
            "fix",
            f"{place.bucket}: {_words(error)}",
            "quire store start makes its own; elsewhere ask for the bucket, or QUIRE_BUCKET=… quire store start",
        )
        return
    except BotoCoreError as error:
        yield Finding("credentials", "fix", _words(error), "see the store's own log")
        return
    yield Finding("credentials", "ok", "the store takes them")
    yield Finding("bucket", "ok", f"s3://{place.bucket} is there")
    yield from _writes(place)


def _writes(place: Store) -> Iterator[Finding]:
    setting = os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    refused = _round_trip(place, setting)
    if refused and _round_trip(place, "when_required") is None:
        yield Finding("writable", "ok", "without botocore's checksums")
        remedy = "AWS_REQUEST_CHECKSUM_CALCULATION=when_required AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"
        yield Finding("checksums", "fix", f"{setting}: the store refuses them: {refused}", remedy)
    elif refused:
        yield Finding("writable", "fix", refused, "make room, or ask for the right to write")
    else:
        yield Finding("writable", "ok", "an object was written, read and removed")
        yield Finding("checksums", "ok", f"{setting}: the store takes them")


def _round_trip(place: Store, checksums: str) -> str | None:
    """Write, read and remove an object; what went wrong, or None."""
    client, key, content = place.client(request_checksum_calculation=checksums), f"doctor/{secrets.token_hex(8)}", b"quire"
    try:
        client.put_object(Bucket=place.bucket, Key=key, Body=content)
        read = client.get_object(Bucket=place.bucket, Key=key)["Body"].read()
        client.delete_object(Bucket=place.bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        return _words(error)
    return None if read == content else f"wrote {content!r} and read {read!r}"


def _words(error: Exception) -> str:
    return " ".join(str(error).split())
