"""AuthPolicy v1alpha1: one set of typed declarations. The validation, the CRD and the reference page are made from it.

A type's `cel` are the CEL rules of the CRD; here the same is checked by validators, so that a file and the API server say the
same thing.
"""

from authz.api.v1alpha1.answers import Answer, AnswerHeader, ClaimSource, Denied, Forward, ForwardedHeader
from authz.api.v1alpha1.callers import AddressRange, Allow, Anonymous, ClientIP, Deny, HeaderMatch, IpSet
from authz.api.v1alpha1.credentials import ApiKey, ApiKeySet, CertificateAuthority, ClientCertificate, Identity
from authz.api.v1alpha1.references import CaRef, HmacSource, JwksRef, KeySource, ObjectRef, SecretSelector, TextSource
from authz.api.v1alpha1.spec import AuthPolicySpec, DefinitionsRef, PathMatch, RequestMatch, Rule, TargetRef
from authz.api.v1alpha1.tokens import Claim, Issuer, Jwt, TokenPlace
from authz.api.v1alpha1.words import GROUP, KIND, VERSION, ModeName, Object, ObjectName, Path

__all__ = [
    "GROUP",
    "KIND",
    "VERSION",
    "AddressRange",
    "Allow",
    "Anonymous",
    "Answer",
    "AnswerHeader",
    "ApiKey",
    "ApiKeySet",
    "AuthPolicySpec",
    "CaRef",
    "CertificateAuthority",
    "Claim",
    "ClaimSource",
    "ClientCertificate",
    "ClientIP",
    "DefinitionsRef",
    "Denied",
    "Deny",
    "Forward",
    "ForwardedHeader",
    "HeaderMatch",
    "HmacSource",
    "Identity",
    "IpSet",
    "Issuer",
    "JwksRef",
    "Jwt",
    "KeySource",
    "ModeName",
    "Object",
    "ObjectName",
    "ObjectRef",
    "Path",
    "PathMatch",
    "RequestMatch",
    "Rule",
    "SecretSelector",
    "TargetRef",
    "TextSource",
    "TokenPlace",
]
