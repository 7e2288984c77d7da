"""What each problem code means, and how to mend it: one table. docs/reference/problems.md is made from it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """What is said of a code.

    Attributes:
        title: a few words, for a list.
        meaning: what is wrong, why it matters, and how to mend it.
    """

    title: str
    meaning: str


# AZ1xx: the form of a document. AZ2xx: one document and others. AZ3xx: what a policy says.
CODES: Final[dict[str, ProblemCode]] = {
    "AZ101": ProblemCode(
        "The file cannot be read",
        "It is not YAML or JSON, not UTF-8, larger than 4 MiB, or its permissions forbid it. What it declared before stays in "
        "force meanwhile. Mend the place that is named; `authz validate` shows line and column.",
    ),
    "AZ102": ProblemCode(
        "Nested too deep",
        "The document has more than 64 levels, or one alias is repeated more than 64 times. No policy needs that: write the parts out.",
    ),
    "AZ103": ProblemCode(
        "YAML that has no plain reading",
        "A key that is not a word, a merge key (`<<`), or a tag such as `!!binary`. Only what JSON can say is read, so that a "
        "file means the same to every tool. Repeat the fields, or write a plain value.",
    ),
    "AZ104": ProblemCode(
        "A key given twice",
        "YAML tools disagree on which of the two counts, so neither does here. Keep one.",
    ),
    "AZ105": ProblemCode(
        "Unknown field",
        "A field of this name does not exist at this place: a typing mistake, most often, or wrong indentation. Left in, it would "
        "do nothing, and a condition that does nothing opens a door. Take the name that is proposed, or remove the field.",
    ),
    "AZ106": ProblemCode(
        "Required field missing",
        "Add it. `allow` is required even where nobody may enter: write `allow: []`.",
    ),
    "AZ107": ProblemCode(
        "Wrong type",
        "A list where a word is meant, a number where text is meant, and the like; nothing is converted silently. "
        'Text that looks like a number or a boolean needs quotes: `values: ["7", "true"]`.',
    ),
    "AZ108": ProblemCode(
        "Not one of the known words",
        "The field takes one of a few words, and case matters: `Enforce`, not `enforce`. Take one of those listed.",
    ),
    "AZ109": ProblemCode(
        "Out of bounds",
        "Too long, too short, too many items, too large, or a character that may not stand there. The bounds of every field are in "
        "[authpolicy.md](authpolicy.md).",
    ),
    "AZ110": ProblemCode(
        "Fields that do not go together",
        "Each field is right, but not these together: two of which only one may be given, or none of which one must be. "
        "The message names them; the API server refuses the same.",
    ),
    "AZ111": ProblemCode(
        "Listed twice",
        "An item of a list has the name, or the value, of one before it. Names are how logs and explanations tell items apart. "
        "Rename or remove one.",
    ),
    "AZ112": ProblemCode(
        "A file without a document",
        "It may be half written, so it is a fault and what it declared before stays in force. Write a policy into it, or delete it.",
    ),
    "AZ113": ProblemCode(
        "Not a known version or kind",
        "It looks like an AuthPolicy but `apiVersion` or `kind` is another, or is missing. "
        "Begin with `apiVersion: ingress-authz.dev/v1alpha1` and `kind: AuthPolicy`.",
    ),
    "AZ114": ProblemCode(
        "Another kind of object",
        "A warning: the file also holds objects that are not AuthPolicies; they are ignored.",
    ),
    "AZ201": ProblemCode(
        "No such issuer",
        "`jwt.issuers` names an issuer that neither `spec.issuers` nor a policy in `definitionsFrom` defines. "
        "Correct the name, or define it. Until then the policy's hosts answer 503.",
    ),
    "AZ202": ProblemCode(
        "Key set cannot be used",
        "The text in `jwks` is no JSON Web Key Set, or holds a key that cannot be used: too small, private, of an algorithm that "
        "`algorithms` does not list. Copy the issuer's key set again, public keys only.",
    ),
    "AZ203": ProblemCode(
        "No such AuthPolicy",
        "`definitionsFrom` names an AuthPolicy that does not exist, or that never was without mistakes itself. Correct namespace "
        "and name, or mend that one first. Until then the policy's hosts answer 503.",
    ),
    "AZ204": ProblemCode(
        "Issuer defined twice",
        "Two policies in `definitionsFrom` define an issuer of the same name differently. Take one of them, or define the issuer in "
        "this policy: a local name wins.",
    ),
    "AZ205": ProblemCode(
        "Another policy decides already",
        "A warning: two policies name the same host and path prefix; the first by namespace and name decides, the other does "
        "nothing there. Narrow `hosts` or `pathPrefixes` of one of them.",
    ),
    "AZ206": ProblemCode(
        "Two objects of one name",
        "Two files, or two documents, declare an AuthPolicy of the same namespace and name; the first counts. Rename or remove one.",
    ),
    "AZ207": ProblemCode(
        "Host of somebody else",
        "In a cluster only namespaces that the operator lists may decide for a host (`--hosts-from`), so that nobody takes over the "
        "hosts of others. Ask the operator, or move the policy.",
    ),
    "AZ208": ProblemCode(
        "Target that is not there",
        "`spec.targetRefs` names a Gateway or HTTPRoute that does not exist in the policy's namespace, or none of the Gateways that the "
        "operator listed with `--gateway` accepted the route. The policy decides nothing there until it does: correct the name, look at "
        "the route's own status, or have the Gateway listed.",
    ),
    "AZ209": ProblemCode(
        "Beside an attached policy",
        "A warning: the policy has `hosts`, and on one of them a route has a policy of its own. Requests need the leave of both. "
        "Attach this one, too, or narrow its `hosts`.",
    ),
    "AZ210": ProblemCode(
        "Route that matches on a forwarded header",
        "A warning: a route chooses by a header that this policy sets or removes. Gateways that choose the route again after the "
        "answer could choose another, so such requests must be allowed for both. Let the route match on another header.",
    ),
    "AZ211": ProblemCode(
        "Reference that is not permitted",
        "The policy refers to an object of another namespace, which takes a ReferenceGrant there: `from` AuthPolicy of this namespace, "
        "`to` the kind (and name) of the object. Have its owner write one, or bring the object into this namespace.",
    ),
    "AZ212": ProblemCode(
        "Referenced object that cannot be read",
        "A Secret or ConfigMap that the policy refers to does not exist, has no such key, or the service may not read it. The policy "
        "is not used until it is there: 503 on its requests.",
    ),
    "AZ301": ProblemCode(
        "Not a host",
        "A host is a DNS name or an IPv4 address in lower case, without scheme, port and final dot, or `*.` before a name.",
    ),
    "AZ302": ProblemCode(
        "Not a path prefix",
        "A prefix begins with `/` and is written in its plain form: no `//`, `..`, `;`, backslash, or escapes of them. Requests with "
        "such paths are refused, so the prefix would never match.",
    ),
    "AZ303": ProblemCode(
        "Rules without hosts",
        "The policy would never decide anything. Say in `spec.hosts` for which hosts it is.",
    ),
    "AZ304": ProblemCode(
        "Hosts without rules",
        "The policy would deny every request to its hosts. Add `spec.rules`; where that is meant, a rule with `allow: []` says so.",
    ),
    "AZ305": ProblemCode(
        "Tokens for nobody in particular",
        "`jwt` is used, and `spec.audiences` is missing. Without it a token that the issuer made for any other service would open "
        "this one. List what `aud` must contain.",
    ),
    "AZ306": ProblemCode(
        "An audience outside spec.audiences",
        "`jwt.audiences` narrows `spec.audiences`; a value that is not there is never met. Add it there, or remove it here.",
    ),
    "AZ307": ProblemCode(
        "Client address not settled",
        "`clientIP` is used, and the operator has not said how the client's address is found. Behind a proxy the peer is the proxy, "
        "and a range of private addresses would be everyone. Start the service with `--client-address`.",
    ),
    "AZ308": ProblemCode(
        "Not an address range",
        "A network in CIDR form without bits after its prefix (`192.0.2.0/24`), a single address, or a range of one family whose "
        "first address is not after its last.",
    ),
    "AZ309": ProblemCode(
        "Path match that cannot work",
        "`Exact`, `PathPrefix` and `Template` begin with `/`, without query and fragment, in plain form; in a template `{name}` is a "
        "whole segment, each name once. `RegularExpression` is RE2, which has no look-around and no back-references.",
    ),
    "AZ310": ProblemCode(
        "Token in a cookie",
        "A warning: browsers send cookies unasked, also from other sites' pages. Make sure that the API is safe from cross-site "
        "requests: `SameSite` cookies, an anti-forgery token.",
    ),
    "AZ311": ProblemCode(
        "Token in a query parameter",
        "A warning: URLs end up in logs and browser histories (RFC 9700 §4.3.2). Prefer a header.",
    ),
    "AZ312": ProblemCode(
        "Header may not be forwarded",
        "Policies forward `x-auth-…` and the names that the operator gave away with `--identity-header`. A name is letters, digits "
        "and single `-` or `_` between them, at most five, and no hop-by-hop header.",
    ),
    "AZ313": ProblemCode(
        "Header value cannot be sent",
        "Printable ASCII without spaces around it, at most 4096 characters.",
    ),
    "AZ314": ProblemCode(
        "Header forwarded twice",
        "Two entries of `forward.headers` are the same name but for case. Keep one.",
    ),
    "AZ315": ProblemCode(
        "Header of the service",
        "`denied` may not set headers that the service sets itself: content type and length, `cache-control`, `retry-after`, "
        "`www-authenticate` and the connection's. Leave it out.",
    ),
    "AZ316": ProblemCode(
        "Redirect without a Location",
        "A `statusCode` from 300 to 399 needs a `Location` among the `headers` of the same answer.",
    ),
    "AZ317": ProblemCode(
        "Rule behind another",
        "The first rule that matches decides, and rules above this one take every request that it is for. Move it up, or remove it.",
    ),
    "AZ318": ProblemCode(
        "Rule outside the policy's paths",
        "The policy sees only requests below `spec.pathPrefixes`, and the paths of this rule are elsewhere. Correct one of them.",
    ),
    "AZ319": ProblemCode(
        "Too many forwarded headers",
        "Every name that some policy forwards is removed from every request, in each spelling; so there is a limit for one policy.",
    ),
    "AZ320": ProblemCode(
        "Condition on Host",
        "Envoy tells the host apart from the headers. `spec.hosts` says for which hosts a policy is.",
    ),
    "AZ321": ProblemCode(
        "Keys over plain http",
        "`serve` fetches keys over https only, unless the operator names the exact origin with `--fetch-insecure`.",
    ),
    "AZ322": ProblemCode(
        "Hosts and targets",
        "A policy is for `hosts` or for `targetRefs`. Write two policies, and share definitions with `definitionsFrom`.",
    ),
    "AZ323": ProblemCode(
        "Override without a Gateway",
        "`precedence: Override` keeps the rules of a Gateway's policy where a route has its own. A policy of routes has nothing below "
        "it: leave it out.",
    ),
}
