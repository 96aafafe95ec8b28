"""OAuth on the wire: what is found, and how a browser comes to ask."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.shown import Shown


class AuthorizeQuery(BaseModel):
    """RFC 6749, section 4.1.1, with PKCE; what else clients send is left alone, as it says there."""

    model_config = ConfigDict(extra="ignore")

    response_type: Annotated[str, Field(description="`code`")] = ""
    client_id: Annotated[
        str, Field(description="Of a registration, or the https address of the program's document")
    ] = ""
    redirect_uri: Annotated[str, Field(description="One of those the program has named")] = ""
    scope: Annotated[str, Field(description="Scopes, separated by spaces")] = ""
    state: Annotated[str, Field(description="Comes back as it is")] = ""
    code_challenge: Annotated[str, Field(description="Of PKCE (RFC 7636)")] = ""
    code_challenge_method: Annotated[str, Field(description="`S256`")] = ""
    resource: Annotated[list[str], Field(description="The address that the tokens are for (RFC 8707)")] = []


class ResourceOut(Shown):
    """A resource of its own accord (RFC 9728)."""

    resource: str
    resource_name: str
    authorization_servers: list[str]
    scopes_supported: list[str]
    bearer_methods_supported: list[str]
    resource_documentation: str


class ServerOut(Shown):
    """An authorization server of its own accord (RFC 8414)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str
    revocation_endpoint: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    response_modes_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    code_challenge_methods_supported: list[str]
    authorization_response_iss_parameter_supported: bool
    client_id_metadata_document_supported: bool
    protected_resources: list[str]
    service_documentation: str
