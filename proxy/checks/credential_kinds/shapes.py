"""Credentials of no vendor: web tokens, private keys, passwords in addresses, and what is called a password, secret or key."""

from __future__ import annotations

from proxy.checks.credential_kinds.kind import JOIN, SUFFIX, VALUE, Kind

LOGIN_WORD = (
    r"(?:pass(?:word|wd|code|phrase|wort)|pwd|kennwort|contrase[ñn]a|mot[ _-]de[ _-]passe|senha|wachtwoord"
    r"|пароль|密码|密碼|パスワード|비밀번호|(?<![A-Za-z])pass(?![A-Za-z]))"
)
KEY_WORD = (
    r"(?P<word>(?:api|app|access|account|secret|signing|signature|encryption|encrypt|auth|master|shared|client|private|service"
    r"|license|licence|webhook|session|consumer|deploy|hmac|admin|subscription|storage|security|write|integration|cookie|crypto"
    r"|bearer|bot)[ _.-]?(?:key|token|secret)|(?<![0-9]:)secret|token|(?<![A-Za-z])(?:my|the|your|our) key|credentials?|_salt)"
)
ASKED = r"(?:[ ](?:you|that|we|I)[a-z ]{0,60})?"  # the credential you asked for: …
LABEL = r"[A-Z0-9 -]{0,60}PRIVATE KEY(?: BLOCK)?"
END = rf"-----END (?:{LABEL}|OpenVPN Static key V1)-----"
BREAK = r"(?:[\s\"',>]|\\[nrt]|\+(?=\s))"  # between the lines of a PEM block, wherever it was pasted from
BASE64 = "[A-Za-z0-9+/=]"
PEM = (
    rf"-----BEGIN (?:{LABEL}|OpenVPN Static key V1)-----"
    rf"(?:{BREAK}*+(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): ?[^\r\n\\\"]{{0,100}})*+"
    rf"(?P<body>(?:{BASE64}{{16,}}+|{BREAK})*+)(?:(?:{BASE64}{{1,15}}+{BREAK}*+){{0,2}}{END})?"
)
PUTTY = (
    r"PuTTY-User-Key-File-[23]: [^\r\n]{1,60}\r?\n"
    r"(?:[A-Z][A-Za-z0-9-]{2,30}: [^\r\n]{0,200}\r?\n|[A-Za-z0-9+/=]{1,80}\r?\n){0,48}?"
    r"Private-Lines: [0-9]{1,3}\r?\n(?P<body>(?:[A-Za-z0-9+/=]{1,80}\r?\n){0,80}[A-Za-z0-9+/=]{1,80}(?![A-Za-z0-9+/=-]))"
)
LOCKED = r"(?:mysql(?:dump|admin|import)?|mariadb(?:-dump)?|sshpass|redis-cli)\b[^\r\n|;&]{0,120}?[ ]"

SHAPES: tuple[Kind, ...] = (
    Kind("JWT", "JSON web token",
         r"eyJ(?:(?<![A-Za-z0-9_-]eyJ)|(?<=\\[nrt]eyJ))"
         r"[A-Za-z0-9_-]{8,2048}={0,2}\.eyJ[A-Za-z0-9_-]{4,4096}={0,2}\.[A-Za-z0-9_-]*+",
         1.0, "{jwt}.{url:43}", "jwt", edges=False),
    Kind("JWT", "encrypted JSON web token",
         r"eyJ(?:(?<![A-Za-z0-9_-]eyJ)|(?<=\\[nrt]eyJ))"
         r"[A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{0,1024}\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{4,4096}\.[A-Za-z0-9_-]{22,43}",
         1.0, "{jwe}.{url:342}.{url:16}.{url:80}.{url:22}", "jwe"),
    Kind("PRIVATE_KEY", "private key in a PEM block", PEM, 1.0, "-----BEGIN RSA {pem}", "pem", edges=False),
    Kind("PRIVATE_KEY", "private key of PuTTY", PUTTY, 1.0, "{ppk}", "pem", edges=False),
    Kind("PRIVATE_KEY", "PEM block in base64, as in a kubeconfig", r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{100,8000}={0,2}", 1.0,
         "{encodedpem}", "armoured", edges=False),
    Kind("PRIVATE_KEY", "private part of a JSON web key", r"\"d\"\s{0,4}:\s{0,4}\"(?P<secret>[A-Za-z0-9_-]{42,1400})\"", 0.9,
         '"d": "{url:43}"', "random", edges=False),
    Kind("PRIVATE_KEY", "private key of WireGuard", r"PrivateKey[ ]{0,4}=[ ]{0,4}(?P<secret>[A-Za-z0-9+/]{43}=)", 1.0,
         "PrivateKey = {b64:43}=", edges=False),
    Kind("AGE_KEY", "age secret key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", 1.0, "{agekey}", "bech32"),
    Kind("CONNECTION_STRING", "password in a URL",
         r"[A-Za-z][A-Za-z0-9+.-]{1,20}+://(?P<user>[^\s:/@\"'<>`]{0,100})"
         r":(?P<secret>[^\s\"'<>`\\]{1,256})@(?=[A-Za-z0-9\[$<{%_(])",
         0.9, "postgres://svc:{b62:12}@db.example:5432/app", "url", edges=False),
    Kind("CONNECTION_STRING", "password in an Oracle JDBC URL",
         r"jdbc:oracle:(?:thin|oci):(?P<user>[^\s/:@\"']{1,60})/(?P<secret>[^\s@/\"']{1,100})@", 0.9,
         "jdbc:oracle:thin:scott/{b62:12}@db", "url", edges=False),
    Kind("CONNECTION_STRING", "password in an ADO or ODBC connection string",
         r";[ ]?(?:password|pwd)[ ]?=[ ]?(?P<user>)\{?(?P<secret>[^;\s\"'<>{}]{1,128})", 0.85,
         "Server=db;User Id=sa;Password={b62:12};", "url", folded=True, edges=False),
    Kind("CONNECTION_STRING", "password in the address of a Go driver",
         r"(?<![\w.-])(?P<user>[\w.-]{1,60}):(?P<secret>[^\s\"'`<>\\@/]{4,128})@(?:tcp|unix)\(", 0.9,
         "svc:{b62:12}@tcp(db:3306)/app", "url", edges=False),
    Kind("CONNECTION_STRING", "password in a line of .pgpass",
         r"(?<![\w.-])[\w.-]{1,80}:5432:[\w*-]{1,60}:(?P<user>[\w*-]{1,60}):(?P<secret>[^\s:\"'`()<>,\\]{4,128})", 0.9,
         "db.example:5432:app:svc:{b62:12}", "url", edges=False),
    Kind("PASSWORD", "password, by its name", rf"{LOGIN_WORD}{SUFFIX}{JOIN}{VALUE}", 0.8, "password = {b62:14}", "password",
         folded=True, edges=False),
    Kind("PASSWORD", "password on a command line",
         r"(?:(?<![\w-])-u|--user)[ =](?P<quote>[\"'])?[^\s:\"'/]{1,64}:(?P<secret>[^\s\"'`<>\\]{4,256})(?P<close>[\"'])?",
         0.75, "curl -u admin:{b62:14} https://a.example", "password", edges=False),
    Kind("PASSWORD", "password after a flag", rf"--?(?:password|passwd|pass|pwd)[ ]{VALUE}", 0.75, "tool --password {b62:14}",
         "password", folded=True, edges=False),
    Kind("PASSWORD", "password behind the flag of a database's client", rf"{LOCKED}-[pa][ ]?{VALUE}", 0.8,
         "mysql -h db -u svc -p{b62:14} app", "password", edges=False),
    Kind("PASSWORD", "password in .netrc",
         r"\blogin\s{1,8}\S{1,100}\s{1,8}password\s{1,8}(?P<secret>[^\s\"'`()<>,\\]{4,256})", 0.85,
         "machine api.example login svc password {b62:14}", "password", edges=False),
    Kind("PASSWORD", "second argument of a login",
         r"(?:login|auth|authenticate|BasicAuth|Credentials?|connect)\([ ]?[\"'][^\"'\r\n]{1,100}[\"'],[ ]{0,4}(?P<quote>[\"'])"
         r"(?P<secret>[^\s\"'`<>\\]{6,256})(?P<close>[\"'])[ ]?\)", 0.75, 'smtp.login("svc@a.example", "{b62:14}")', "password",
         folded=True, edges=False),
    Kind("HTTP_AUTHORIZATION", "bearer token", r"\bbearer[ ]{1,3}(?P<secret>[A-Za-z0-9._~+/=@!#$%^&*-]{10,1024})", 0.8,
         "Authorization: Bearer {b62:32}", "secret", folded=True, edges=False),
    Kind("HTTP_AUTHORIZATION", "user and password of basic authentication",
         r"\bbasic[ ]{1,3}(?P<secret>[A-Za-z0-9+/]{8,1000}={0,2})", 0.95, "Authorization: Basic {basic}", "basic", folded=True,
         edges=False),
    Kind("HTTP_AUTHORIZATION", "credential in a header of authorisation",
         r"authorization[\"']?[ ]?[:=][ ]?[\"']?(?:(?:token|apikey|api-key|key|bot|splunk|sso-key|genie-?key)[ =]{1,3})?"
         r"(?P<secret>[A-Za-z0-9._~+/=:-]{16,1024})", 0.8, "Authorization: Token {b62:32}", "secret", folded=True, edges=False),
    Kind("GENERIC_SECRET", "secret that a client is made or a session opened with",
         r"(?:client|connect|session|login|auth|authenticate|credentials?)\([ ]?(?P<quote>[\"'])"
         r"(?P<secret>[^\s\"'`<>\\]{10,1000})(?P<close>[\"'])",
         0.7, 'new Client("{b62:32}")', "secret", folded=True, edges=False),
    Kind("GENERIC_SECRET", "secret, token or key, by its name", rf"{KEY_WORD}{SUFFIX}{ASKED}{JOIN}{VALUE}", 0.75,
         "client_secret: {b62:32}", "secret", folded=True, edges=False),
    Kind("GENERIC_SECRET", "secret, token or key behind a flag or a shell's variable",
         rf"(?:--?|\b(?:env|set|setx|setenv|arg)[ ]{{1,3}})[\w-]{{0,48}}(?P<word>key|token|secret)[ ]{{1,3}}{VALUE}", 0.75,
         "tool --api-key {b62:32}", "secret", folded=True, edges=False),
    Kind("GENERIC_SECRET", "key in the query of a URL",
         r"[?&](?P<word>key|apikey|api_key|auth|authkey|access_key|subscription-key|sig|signature)=(?P<secret>[A-Za-z0-9._~%+/-]{16,512})",
         0.75, "https://a.example/v1?key={b62:32}", "secret", folded=True, edges=False),
)  # fmt: skip  # a table reads better in rows
