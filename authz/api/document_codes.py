"""Problem codes of a document's form (AZ1xx), and of one document beside others (AZ2xx)."""

from typing import Final

from authz.api.problem_code import ProblemCode

DOCUMENT_CODES: Final[dict[str, ProblemCode]] = {
    "AZ101": ProblemCode(
        "The file cannot be read",
        "It is not YAML or JSON, not UTF-8, larger than 4 MiB, or its permissions forbid it. What it declared before stays in "
        "force meanwhile. Mend the place that is named; `authz validate` shows line and column.",
    ),
    "AZ102": ProblemCode(
        "Nested too deep, or too large",
        "The document has more than 64 levels or 200,000 keys and values, or one alias is repeated more than 64 times. No policy needs "
        "that: write the parts out, and into several documents.",
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
        'Text that looks like a number or a boolean needs quotes: `values: ["7", "true"]`. A field that is written has a value: '
        "leave it out, or give it one.",
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
    "AZ213": ProblemCode(
        "A fault of the service",
        "The service failed where it looked at this policy. Any such fault is a bug: please report it, with the policy. The last version "
        "that was accepted stays in force; without one, its requests are answered 503.",
    ),
    "AZ214": ProblemCode(
        "Key record that cannot be used",
        "A record of an API key has a mistake. It is left out, so that its key opens nothing; the others are used. The message never "
        "shows what stands there. Mend the line that is named, or let `authz apikey hash` write the record anew.",
    ),
    "AZ215": ProblemCode(
        "Key records that cannot be read",
        "The text is no JSON Lines, JSON or YAML, or is larger than any list of keys: none of its keys is known from it. One record a "
        "line in JSON, as `authz apikey generate --append` writes them, is the form for many keys.",
    ),
    "AZ216": ProblemCode(
        "No Secret with these labels",
        "A warning: no Secret of the namespace has the labels of `secretSelector`, so no key is known and every one is refused. Label a "
        "Secret, or correct the labels.",
    ),
}
