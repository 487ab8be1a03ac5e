"""The table of the credentials that the `secrets` check knows: one row for each shape, several where a vendor has several.

Prefixes, alphabets and lengths are those that the vendors publish for their secret-scanning partners, else those seen in
gitleaks' and detect-secrets' rules. To add a kind, add a row: its tests come with its `shape`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One shape of credential.

    `pattern` is read by `re`; the group `secret`, or else the whole match, is what is reported. With `edges`, no letter or
    digit may touch the match. `proof` names a function of `credentials.PROOFS` that may raise or refute the score. `shape`
    makes an example: `{alphabet:count}` stands for so many random characters.
    """

    category: str
    title: str
    pattern: str
    score: float
    shape: str
    proof: str = ""
    folded: bool = False  # letters match in either case
    edges: bool = True


# How a name is joined to its value: = : := => == -> > is, in code, JSON, YAML, .env, XML, Markdown, prose.
JOIN = (
    r"""[\\"'`)\]*]{0,3}[ \t]*+(?:(?::[ \t]?(?:str|string|String)[ \t]?)?(?::=|=>|={1,3})|[:：]|>(?![@\s])"""
    r"""|\b(?:is|was|es|ist|est)\b:?)"""
    r"""(?:\*\*)?[ \t]*+(?:\r?\n[ \t]*+)?"""
)
VALUE = r"""(?:[bru]?(?P<quote>\\?["'`]))?(?P<secret>[^\s"'`<>\\]{4,1024})(?P<close>\\?["'`])?"""
SUFFIX = r"(?:[_-]?(?:value|text|string|prod|dev|staging|live|base64|b64|[0-9]{1,2}))?"
LOGIN_WORD = (
    r"(?:pass(?:word|wd|code|phrase|wort)|pwd|kennwort|contrase[ñn]a|mot[ _-]de[ _-]passe|senha|wachtwoord"
    r"|пароль|密码|密碼|パスワード|비밀번호|(?<![A-Za-z])pass(?![A-Za-z]))"
)
KEY_WORD = (
    r"(?P<word>(?:api|app|access|account|secret|signing|signature|encryption|encrypt|auth|master|shared|client|private|service"
    r"|license|webhook)[ _.-]?(?:key|token|secret)|secret|token|(?<![A-Za-z])(?:my|the|your|our) key|credentials?)"
)
AWS_NAME = rf"(?:secret|aws[_ .-]?(?:secret|key))(?:[_ .-]?access)?(?:[_ .-]?key)?{SUFFIX}"
CLOUDFLARE_NAME = r"cloudflare(?:[_ .-]?(?:api|auth|global|account|dns|zone)){0,2}[_ .-]?(?:token|key)"
ASKED = r"(?:[ ](?:you|that|we|I)[a-z ]{0,60})?"  # the credential you asked for: …
END = r"-----END [A-Z0-9 ]{0,50}PRIVATE KEY(?: BLOCK)?-----"
BREAK = r"(?:[\s\"',>]|\\[nrt]|\+(?=\s))"  # between the lines of a PEM block, wherever it was pasted from
BASE64 = "[A-Za-z0-9+/=]"
PEM = (
    r"-----BEGIN (?:(?:RSA|DSA|EC|OPENSSH|SSH2|PGP|ENCRYPTED|SSH2 ENCRYPTED|ANY) )?PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{BREAK}*+(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): ?[^\r\n\\\"]{{0,100}})*+"
    rf"(?P<body>(?:{BASE64}{{16,}}+|{BREAK})*+)(?:(?:{BASE64}{{1,15}}+{BREAK}*+){{0,2}}{END})?"
)

KINDS: tuple[Kind, ...] = (
    # Clouds
    Kind("AWS_ACCESS_KEY", "AWS access key id", "(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", 0.8, "AKIA{b32:16}", "base32"),
    Kind("AWS_SECRET_KEY", "AWS secret access key, by its name",
         rf"{AWS_NAME}{JOIN}[\"'`]?(?P<secret>[a-z0-9+/]{{40}})(?![a-z0-9+/=])", 0.9, "aws_secret_access_key = {b64:40}", "mixed",
         folded=True, edges=False),
    Kind("AWS_SECRET_KEY", "AWS secret access key, after its id",
         r"(?:AKIA|ASIA)[A-Z0-9]{16}[\"'\s,:;|]{1,10}(?P<secret>[A-Za-z0-9+/]{40})(?![A-Za-z0-9+/=])", 0.9,
         "AKIA{b32:16},{b64:40}", "mixed"),
    Kind("GOOGLE_API_KEY", "Google API key", r"AIza[A-Za-z0-9_-]{35}", 0.95, "AIza{url:35}"),
    Kind("GOOGLE_OAUTH", "Google OAuth client secret", r"GOCSPX-[A-Za-z0-9_-]{28}", 0.95, "GOCSPX-{url:28}"),
    Kind("GOOGLE_OAUTH", "Google OAuth access token", r"ya29\.[A-Za-z0-9_-]{30,1000}", 0.95, "ya29.{url:80}"),
    Kind("GOOGLE_OAUTH", "Google OAuth refresh token", r"1//0[A-Za-z0-9_-]{35,200}", 0.85, "1//0{url:60}"),
    Kind("AZURE_KEY", "Azure storage, Service Bus or Cosmos key",
         r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{43,86}={1,2})", 0.95, "AccountKey={b64:86}==", edges=False),
    Kind("AZURE_KEY", "Azure shared access signature", r"[?&;]sig=(?P<secret>[A-Za-z0-9%+/]{40,100}(?:%3[Dd]|=))", 0.9,
         "https://a.example/c?sv=2022&sig={b62:43}%3D", edges=False),
    Kind("AZURE_CLIENT_SECRET", "Microsoft Entra client secret", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", 0.9,
         "{b62:3}8Q~{b62:34}"),
    Kind("DIGITALOCEAN_TOKEN", "DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}", 0.95, "dop_v1_{hex:64}"),
    Kind("HEROKU_KEY", "Heroku API key", r"HRKU-[A-Za-z0-9_-]{36,80}", 0.95, "HRKU-{b62:60}"),
    Kind("HEROKU_KEY", "Heroku API key, by its name",
         rf"heroku(?:[_ .-]?(?:api|auth|oauth))?[_ .-]?(?:key|token){JOIN}[\"'`]?"
         r"(?P<secret>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
         0.8, "HEROKU_API_KEY={hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}", folded=True, edges=False),
    Kind("CLOUDFLARE_TOKEN", "Cloudflare origin CA key", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}", 0.95, "v1.0-{hex:24}-{hex:146}"),
    Kind("CLOUDFLARE_TOKEN", "Cloudflare token or key, by its name",
         rf"{CLOUDFLARE_NAME}{JOIN}[\"'`]?(?P<secret>[a-z0-9_-]{{37,40}})", 0.8, "CLOUDFLARE_API_TOKEN={b62:40}", "mixed",
         folded=True, edges=False),
    Kind("DATABRICKS_TOKEN", "Databricks token", r"dapi[a-f0-9]{32}(?:-[0-9])?", 0.95, "dapi{hex:32}"),
    # Code and its delivery
    Kind("GITHUB_TOKEN", "GitHub token", r"gh[pousr]_[A-Za-z0-9]{36}", 0.85, "ghp_{b62:30}{crc}", "checksum"),
    Kind("GITHUB_TOKEN", "GitHub fine-grained token", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", 0.95,
         "github_pat_{b62:22}_{b62:59}"),
    Kind("GITLAB_TOKEN", "GitLab token", r"gl(?:pat|dt|ptt|rt|cbt|ft|soat|imt|agent|oas|ffct|rtr)-[A-Za-z0-9_.-]{20,320}", 0.95,
         "glpat-{b62:20}"),
    Kind("NPM_TOKEN", "npm token", r"npm_[A-Za-z0-9]{36}", 0.85, "npm_{b62:30}{crc}", "checksum"),
    Kind("PYPI_TOKEN", "PyPI token", r"pypi-AgE[A-Za-z0-9_-]{50,1000}", 0.95, "pypi-AgEIcHlwaS5vcmc{url:120}"),
    Kind("RUBYGEMS_KEY", "RubyGems key", r"rubygems_[a-f0-9]{48}", 0.95, "rubygems_{hex:48}"),
    Kind("DOCKER_TOKEN", "Docker Hub token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,36}", 0.95, "dckr_pat_{b62:27}"),
    Kind("TERRAFORM_TOKEN", "Terraform Cloud token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", 0.95,
         "{b62:14}.atlasv1.{b62:67}"),
    Kind("VAULT_TOKEN", "HashiCorp Vault token", r"hv[sbr]\.[A-Za-z0-9_-]{24,300}", 0.95, "hvs.{b62:90}"),
    Kind("DOPPLER_TOKEN", "Doppler token", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}", 0.95,
         "dp.pt.{b62:43}"),
    Kind("PULUMI_TOKEN", "Pulumi token", r"pul-[a-f0-9]{40}", 0.95, "pul-{hex:40}"),
    # Models
    Kind("OPENAI_KEY", "OpenAI key", r"sk-(?:[A-Za-z0-9_-]{1,10}-)?[A-Za-z0-9_-]{20,80}T3BlbkFJ[A-Za-z0-9_-]{20,80}", 1.0,
         "sk-{b62:20}T3BlbkFJ{b62:20}"),
    Kind("OPENAI_KEY", "OpenAI project, service or admin key", r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,200}", 0.9,
         "sk-proj-{b62:48}", "token"),
    Kind("OPENAI_KEY", "OpenAI key of the first kind, or one of its imitators", r"sk-[A-Za-z0-9]{32,64}", 0.8, "sk-{b62:48}"),
    Kind("ANTHROPIC_KEY", "Anthropic key", r"sk-ant-[a-z]{2,6}[0-9]{2}-[A-Za-z0-9_-]{20,200}", 0.95, "sk-ant-api03-{url:93}AA",
         "token"),
    Kind("OPENROUTER_KEY", "OpenRouter key", r"sk-or-(?:v1-)?[a-f0-9]{64}", 0.95, "sk-or-v1-{hex:64}"),
    Kind("HUGGINGFACE_TOKEN", "Hugging Face token", r"(?:hf_|api_org_)[A-Za-z0-9]{34,40}", 0.9, "hf_{b62:34}", "token"),
    Kind("GROQ_KEY", "Groq key", r"gsk_[A-Za-z0-9]{48,56}", 0.95, "gsk_{b62:52}"),
    Kind("REPLICATE_TOKEN", "Replicate token", r"r8_[A-Za-z0-9]{37}", 0.95, "r8_{b62:37}"),
    Kind("XAI_KEY", "xAI key", r"xai-[A-Za-z0-9]{70,90}", 0.95, "xai-{b62:80}"),
    Kind("PERPLEXITY_KEY", "Perplexity key", r"pplx-[A-Za-z0-9]{48,56}", 0.95, "pplx-{b62:48}"),
    Kind("NVIDIA_KEY", "NVIDIA API key", r"nvapi-[A-Za-z0-9_-]{60,80}", 0.95, "nvapi-{b62:64}"),
    Kind("COHERE_KEY", "Cohere key, by its name",
         rf"(?:cohere(?:[_ .-]?(?:api|trial))?[_ .-]?(?:key|token)|co_api_key){JOIN}[\"'`]?(?P<secret>[a-z0-9]{{40}})", 0.8,
         "COHERE_API_KEY={b62:40}", "mixed", folded=True, edges=False),
    Kind("LANGSMITH_KEY", "LangSmith key", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}", 0.95, "lsv2_pt_{hex:32}_{hex:10}"),
    # Talk
    Kind("SLACK_TOKEN", "Slack token", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9]{1,14}-[A-Za-z0-9-]{15,250}", 0.95,
         "xoxb-{dig:12}-{dig:12}-{b62:24}"),
    Kind("SLACK_TOKEN", "Slack app token", r"xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{10,15}-[a-f0-9]{60,70}", 0.95,
         "xapp-1-A{up:10}-{dig:13}-{hex:64}"),
    Kind("SLACK_WEBHOOK", "Slack webhook",
         r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Z0-9]{9,14}/[A-Za-z0-9]{8,20}/[A-Za-z0-9/]{20,80})",
         0.95, "https://hooks.slack.com/services/T{up:10}/B{up:10}/{b62:24}"),
    Kind("DISCORD_TOKEN", "Discord bot token", r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}", 0.9,
         "{snowflake}.{b62:6}.{b62:38}", "snowflake"),
    Kind("DISCORD_WEBHOOK", "Discord webhook", r"discord(?:app)?\.com/api/webhooks/(?P<secret>[0-9]{17,20}/[A-Za-z0-9_-]{60,80})",
         0.95, "https://discord.com/api/webhooks/{dig:18}/{url:68}"),
    Kind("TELEGRAM_TOKEN", "Telegram bot token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", 0.95, "{dig:10}:AA{url:33}"),
    Kind("TWILIO_KEY", "Twilio API key", r"SK[0-9a-f]{32}", 0.85, "SK{hex:32}"),
    Kind("TWILIO_KEY", "Twilio account, half of a credential", r"AC[0-9a-f]{32}", 0.6, "AC{hex:32}"),
    Kind("SENDGRID_KEY", "SendGrid key", r"SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}", 0.95, "SG.{url:22}.{url:43}"),
    Kind("MAILGUN_KEY", "Mailgun key", r"(?:key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8})", 0.85, "key-{hex:32}"),
    Kind("MAILCHIMP_KEY", "Mailchimp key", r"[0-9a-f]{32}-us[0-9]{1,2}", 0.9, "{hex:32}-us12"),
    # Money and shops
    Kind("STRIPE_KEY", "Stripe key", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,250}", 0.95, "sk_live_{b62:24}"),
    Kind("STRIPE_KEY", "Stripe webhook secret", r"whsec_[A-Za-z0-9+/]{32,64}", 0.95, "whsec_{b62:32}"),
    Kind("SHOPIFY_TOKEN", "Shopify token", r"shp(?:at|ca|pa|ss|ua)_[a-fA-F0-9]{32}", 0.95, "shpat_{hex:32}"),
    Kind("SQUARE_TOKEN", "Square token", r"sq0(?:atp-[A-Za-z0-9_-]{22}|csp-[A-Za-z0-9_-]{43})", 0.95, "sq0atp-{b62:22}"),
    Kind("SQUARE_TOKEN", "Square access token", r"EAAA[A-Za-z0-9_-]{60}", 0.85, "EAAA{b62:60}", "mixed"),
    # Tools of the office and of operations
    Kind("GRAFANA_TOKEN", "Grafana service account token", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", 0.95, "glsa_{b62:32}_{hex:8}"),
    Kind("GRAFANA_TOKEN", "Grafana Cloud token", r"glc_[A-Za-z0-9+/]{32,400}={0,2}", 0.95, "glc_{b62:100}"),
    Kind("LINEAR_KEY", "Linear key", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}", 0.95, "lin_api_{b62:40}"),
    Kind("NOTION_TOKEN", "Notion token", r"(?:ntn_[0-9]{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43})", 0.9, "ntn_{dig:11}{b62:35}"),
    Kind("AIRTABLE_TOKEN", "Airtable token", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}", 0.95, "pat{b62:14}.{hex:64}"),
    Kind("ATLASSIAN_TOKEN", "Atlassian token", r"ATATT3[A-Za-z0-9_=-]{100,250}", 0.95, "ATATT3{b62:186}"),
    Kind("DROPBOX_TOKEN", "Dropbox token", r"sl\.(?:u\.)?[A-Za-z0-9_-]{130,1500}", 0.9, "sl.{url:140}"),
    Kind("POSTMAN_KEY", "Postman key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", 0.95, "PMAK-{hex:24}-{hex:34}"),
    Kind("SENTRY_TOKEN", "Sentry token", r"(?:sntrys_eyJ[A-Za-z0-9+/=_]{60,400}|sntryu_[a-f0-9]{64})", 0.95, "sntryu_{hex:64}"),
    Kind("NEW_RELIC_KEY", "New Relic key", r"(?:NRAK-[A-Z0-9]{27}|NRII-[A-Za-z0-9-]{32}|NRJS-[a-f0-9]{19}|[a-f0-9]{36}NRAL)",
         0.95, "NRAK-{up:27}"),
    Kind("DATADOG_KEY", "Datadog key, by its name",
         rf"(?:datadog|dd)[_ .-]?(?:(?:api|app|application|client)[_ .-]?)?(?:key|token){JOIN}[\"'`]?"
         r"(?P<secret>[a-f0-9]{40}|[a-f0-9]{32})",
         0.9, "DD_API_KEY={hex:32}", folded=True, edges=False),
    # Shapes of no vendor
    Kind("JWT", "JSON web token",
         r"eyJ(?:(?<![A-Za-z0-9_-]eyJ)|(?<=\\[nrt]eyJ))"
         r"[A-Za-z0-9_-]{8,2048}={0,2}\.eyJ[A-Za-z0-9_-]{4,4096}={0,2}\.[A-Za-z0-9_-]*+",
         1.0, "{jwt}.{url:43}", "jwt", edges=False),
    Kind("PRIVATE_KEY", "private key in a PEM block", PEM, 1.0, "-----BEGIN RSA {pem}", "pem", edges=False),
    Kind("CONNECTION_STRING", "password in a URL",
         r"[A-Za-z][A-Za-z0-9+.-]{1,20}+://(?P<user>[^\s:/@\"'<>`]{0,100})"
         r":(?P<secret>[^\s\"'<>`\\]{1,256})@(?=[A-Za-z0-9\[$<{%_])",
         0.9, "postgres://svc:{b62:12}@db.example:5432/app", "url", edges=False),
    Kind("CONNECTION_STRING", "password in an Oracle JDBC URL",
         r"jdbc:oracle:thin:(?P<user>[^\s/:@\"']{1,60})/(?P<secret>[^\s@/\"']{1,100})@", 0.9,
         "jdbc:oracle:thin:scott/{b62:12}@db", "url", edges=False),
    Kind("CONNECTION_STRING", "password in an ADO connection string",
         r";[ ]?(?:password|pwd)[ ]?=[ ]?(?P<user>)(?P<secret>[^;\s\"'<>]{1,128})", 0.85,
         "Server=db;User Id=sa;Password={b62:12};", "url", folded=True, edges=False),
    Kind("PASSWORD", "password, by its name", rf"{LOGIN_WORD}{SUFFIX}{JOIN}{VALUE}", 0.8, "password = {b62:14}", "password",
         folded=True, edges=False),
    Kind("PASSWORD", "password on a command line",
         r"(?:(?<![\w-])-u|--user)[ =](?P<quote>[\"'])?[^\s:\"'/]{1,64}:(?P<secret>[^\s\"'`<>\\]{4,256})(?P<close>[\"'])?",
         0.75, "curl -u admin:{b62:14} https://a.example", "password", edges=False),
    Kind("PASSWORD", "password after a flag", rf"--?(?:password|passwd|pass|pwd)[ ]{VALUE}", 0.75, "tool --password {b62:14}",
         "password", folded=True, edges=False),
    Kind("HTTP_AUTHORIZATION", "bearer token", r"\bbearer[ ]{1,3}(?P<secret>[A-Za-z0-9._~+/=@!#$%^&*-]{10,1024})", 0.8,
         "Authorization: Bearer {b62:32}", "secret", folded=True, edges=False),
    Kind("HTTP_AUTHORIZATION", "user and password of basic authentication",
         r"\bbasic[ ]{1,3}(?P<secret>[A-Za-z0-9+/]{8,1000}={0,2})", 0.95, "Authorization: Basic {basic}", "basic", folded=True,
         edges=False),
    Kind("GENERIC_SECRET", "secret that a client is made or a session opened with",
         r"(?:client|connect|session|login|auth|authenticate|credentials?)\([ ]?(?P<quote>[\"'])"
         r"(?P<secret>[^\s\"'`<>\\]{10,1000})(?P<close>[\"'])",
         0.7, 'new Client("{b62:32}")', "secret", folded=True, edges=False),
    Kind("GENERIC_SECRET", "secret, token or key, by its name", rf"{KEY_WORD}{SUFFIX}{ASKED}{JOIN}{VALUE}", 0.75,
         "client_secret: {b62:32}", "secret", folded=True, edges=False),
)  # fmt: skip  # a table reads better in rows
CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(kind.category for kind in KINDS))
