"""The command `authz crd`."""

import click

from authz.api.schema import crd_text
from authz.cli import exits


@click.command()
@exits.coded
def crd() -> int:
    """Print the CustomResourceDefinition of AuthPolicy, for kubectl apply --server-side -f -."""
    click.echo(crd_text(), nl=False)
    return exits.OK
