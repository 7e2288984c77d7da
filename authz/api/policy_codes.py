"""Problem codes of what a policy says (AZ3xx)."""

from typing import Final

from authz.api.problem_code import ProblemCode

POLICY_CODES: Final[dict[str, ProblemCode]] = {
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
        "Header named twice",
        "Two entries of `headers` are the same name but for case. Keep one.",
    ),
    "AZ315": ProblemCode(
        "Header of the service",
        "`denied` may not set headers that the service sets itself (content type and length, `cache-control`, `retry-after`, "
        "`www-authenticate`, `x-request-id`), nor the connection's and gRPC's. Leave it out.",
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
    "AZ324": ProblemCode(
        "Too many matches",
        "The rules of a policy have more than 512 matches together. Prefixes, templates and several policies say the same in less.",
    ),
    "AZ325": ProblemCode(
        "Too many forwarded headers in all",
        "Every header that some policy forwards is removed from every request, in each spelling, so an installation has at most 256 names. "
        "The oldest policies have theirs; this one answers 503. Forward fewer headers, or names that others forward already.",
    ),
    "AZ326": ProblemCode(
        "Client certificate not settled",
        "`clientCertificate` is used, and the operator has not said where the client's certificate is told. A certificate is no secret, "
        "so a header that anybody can send proves nothing. Start the service with `--client-certificate`.",
    ),
    "AZ327": ProblemCode(
        "Expression that cannot be used",
        "`when` is CEL, and is compiled and checked when the policy is loaded: names, types, and that the result is true or false. "
        "docs/expressions.md lists what it sees.",
    ),
    "AZ328": ProblemCode(
        "Expression on an absent credential",
        "`jwt`, `apiKey` and `clientCertificate` are what the item's own credential says. Without that member there is none.",
    ),
    "AZ329": ProblemCode(
        "Identity that cannot be",
        "A thumbprint has the length of its digest, in hex; names are distinguished names (RFC 4514), DNS names, URIs and addresses.",
    ),
    "AZ330": ProblemCode(
        "Forwarded member that there is not",
        "`from` names something that keys, or certificates, do not say, so the header would never have a value. The message lists what "
        "there is.",
    ),
}
