"""`quire store`: where DVC's data lie for all who work on them."""

import typer

from quire.commands.group import group

store = group("Where DVC's data lie: a MinIO here, or your own store.")

DVC_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


@store.command()
def start() -> None:
    """Run MinIO on loopback for DVC's data, or use the store that AWS_ENDPOINT_URL names.

    Example: quire store start
    """
    from deploy.minio.local import start_store

    print(f"store: {start_store()}")


@store.command()
def stop() -> None:
    """End the MinIO of this folder; its data stay.

    Example: quire store stop
    """
    from deploy.minio.local import stop_store

    print(f"store: {stop_store()}")


@store.command(context_settings=DVC_ARGUMENTS)
def push(context: typer.Context) -> None:
    """Send data and results to the store: `dvc push`, whose arguments it takes, with what goes wrong in one line.

    Example: quire store push
    """
    from deploy.share import share

    share("push", context.args)


@store.command(context_settings=DVC_ARGUMENTS)
def pull(context: typer.Context) -> None:
    """Bring the data of the commit that is checked out: `dvc pull`, with what goes wrong in one line.

    Example: quire store pull
    """
    from deploy.share import share

    share("pull", context.args)
