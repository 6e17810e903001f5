"""The steps to generate, compile and use a client in each language; its tools and pins are here."""

import os
import shutil
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SCHEMA = "../openapi.json"
NPM_CI = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]

# Where Debian puts them.
_MODULES = "/usr/lib/apache2/modules"
_OF_JAVA = ("SignIn.java", "Person.java")
_PROXY = "github.com/oauth2-proxy/oauth2-proxy/v7"
_READER = "miniflux.app/v2"

Command = list[str]


@dataclass(frozen=True)
class Language:
    """The needed tools, and the commands that run in a folder of its own, in this order.

    `prepare` runs once for each change of pins, and downloads; `lay` copies the committed files.
    """

    name: str
    needs: tuple[str, ...]
    prepare: Callable[[Path], list[Command]]
    build: Callable[[Path], list[Command]]
    use: Callable[[Path], Command]

    def lacks(self) -> list[str]:
        """Return the tools that this machine lacks."""
        return lacking(self.needs)

    def lay(self, folder: Path) -> None:
        """Copy the committed files of this language to its folder."""
        shutil.copytree(HERE / self.name, folder, dirs_exist_ok=True)


def lacking(tools: Sequence[str]) -> list[str]:
    """Return those of the tools (programs, or paths of files) that this machine lacks."""
    return [tool for tool in tools if shutil.which(tool) is None and not Path(tool).is_file()]


def _jars(folder: Path) -> Path:
    return folder.parent / "jars"


def _fetch_jars(folder: Path) -> list[Command]:
    """Download what generates and compiles clients in Kotlin and PHP."""
    return _copy_jars("kotlin", _jars(folder))


def _copy_jars(language: str, to: Path) -> list[Command]:
    """Download the jars of the language's pom and compare their digests."""
    jars = str(to)
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    pom, digests = HERE / language / "pom.xml", HERE / language / "jars.sha256"
    return [
        ["rm", "-rf", jars],
        ["mvn", "-B", "-q", "-f", str(pom), plugin, f"-DoutputDirectory={jars}"],
        ["sh", "-c", f'cd "{jars}" && sha256sum --check --strict --quiet "{digests}"'],
    ]


def _copy_keycloak() -> list[Command]:
    """Download the pinned distribution, compare its digest, and unpack it."""
    pinned = tomllib.loads((HERE / "keycloak" / "distribution.toml").read_text())
    archive = f"keycloak-quarkus-dist-{pinned['version']}.tar.gz"
    artifact = f"org.keycloak:keycloak-quarkus-dist:{pinned['version']}:tar.gz"
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
    return [
        ["rm", "-rf", "keycloak"],
        ["mvn", "-B", "-q", copy, f"-Dartifact={artifact}", "-DoutputDirectory=."],
        ["sh", "-c", f'echo "{pinned["sha256"]}  {archive}" | sha256sum --check --strict --quiet'],
        ["mkdir", "keycloak"],
        ["tar", "-xzf", archive, "--strip-components=1", "-C", "keycloak"],
        ["rm", archive],
    ]


def _generate(folder: Path, language: str, *options: str) -> Command:
    (jar,) = HERE.joinpath("kotlin", "jars.sha256").read_text().split("openapi-generator-cli-")[1:]
    generator = _jars(folder) / f"openapi-generator-cli-{jar.split()[0]}"
    without = "modelTests=false,apiTests=false,modelDocs=false,apiDocs=false"
    return [
        *("java", "-jar", str(generator), "generate", "-g", language, "-i", SCHEMA, "-o", "."),
        *("--global-property", f"models,apis,supportingFiles,{without}", *options),
    ]


def _class_path(folder: Path, *more: str) -> str:
    jars = [str(jar) for jar in sorted(_jars(folder).glob("*.jar")) if "generator" not in jar.name]
    return os.pathsep.join([*jars, *more])


def _python(folder: Path) -> str:
    return str(folder / "venv" / "bin" / "python")


def _install(folder: Path) -> list[Command]:
    """Install the pinned packages into an environment of its own."""
    return [
        [sys.executable, "-m", "venv", "--clear", "venv"],
        [
            *(_python(folder), "-m", "pip", "--disable-pip-version-check", "install"),
            *("--quiet", "--no-deps", "--require-hashes", "-r", "requirements.txt"),
        ],
    ]


LANGUAGES = (
    Language(
        "python",
        (),
        prepare=_install,
        build=lambda folder: [
            [
                # It looks for ruff in PATH.
                *("env", f"PATH={folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"),
                *("openapi-python-client", "generate", "--path", SCHEMA, "--meta", "none"),
                *("--config", "generator.yaml"),
                *("--output-path", "keyfob_client", "--overwrite", "--fail-on-warning"),
            ],
        ],
        use=lambda folder: [_python(folder), "use.py"],
    ),
    Language(
        "typescript",
        ("node", "npm"),
        prepare=lambda _: [NPM_CI],
        build=lambda _: [
            ["node_modules/.bin/openapi-typescript", SCHEMA, "-o", "keyfob.d.ts"],
            ["node_modules/.bin/tsc"],
        ],
        use=lambda _: ["node", "out/use.js"],
    ),
    Language(
        "go",
        ("go",),
        prepare=lambda _: [["mkdir", "-p", "keyfob"], ["go", "mod", "download"]],
        build=lambda _: [
            ["go", "tool", "oapi-codegen", "-config", "generator.yaml", SCHEMA],
            ["go", "vet", "./..."],
            ["go", "build", "-o", "use", "."],
        ],
        use=lambda _: ["./use"],
    ),
    Language(
        "kotlin",
        ("java", "mvn"),
        prepare=_fetch_jars,
        build=lambda folder: [
            _generate(folder, "kotlin", "--library", "jvm-okhttp4"),
            [
                *("java", "-cp", _class_path(folder), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"),
                *("-no-stdlib", "-no-reflect", "-nowarn", "-cp", _class_path(folder)),
                *("-d", "out", "Use.kt", "src/main/kotlin"),
            ],
        ],
        use=lambda folder: ["java", "-cp", _class_path(folder, "out"), "UseKt"],
    ),
    Language(
        "php",
        ("java", "mvn", "php"),
        prepare=_fetch_jars,
        build=lambda folder: [
            _generate(folder, "php"),
            ["sh", "-c", "find lib -name '*.php' -print0 | xargs -0 -n 1 php -l >lint.txt"],
        ],
        use=lambda _: ["php", "-d", "include_path=.:/usr/share/php", "use.php"],
    ),
    # Not generated: OAuth clients of others, for programs, and for apps by which people sign in.
    Language(
        "oauth-python",
        (),
        prepare=_install,
        build=lambda _: [],
        use=lambda folder: [
            *("sh", "-c", '"$0" use.py && "$0" -W ignore sign_in.py', _python(folder)),
        ],
    ),
    Language(
        "oauth-node",
        ("node", "npm"),
        prepare=lambda _: [NPM_CI],
        build=lambda _: [],
        use=lambda _: ["sh", "-c", "node use.js && node sign_in.js"],
    ),
    Language(
        "oidc-client-ts",
        ("node", "npm", "chromium"),
        prepare=lambda _: [NPM_CI],
        build=lambda _: [],
        use=lambda _: [sys.executable, "use.py"],
    ),
    # Clients and servers of MCP, whose programs nobody has registered.
    Language(
        "mcp-python",
        (),
        prepare=_install,
        build=lambda _: [],
        use=lambda folder: [_python(folder), "use.py"],
    ),
    Language(
        "mcp-node",
        ("node", "npm"),
        prepare=lambda _: [NPM_CI],
        build=lambda _: [],
        use=lambda _: ["node", "use.js"],
    ),
    Language(
        "oauth-go",
        ("go",),
        prepare=lambda _: [["go", "mod", "download"]],
        build=lambda _: [["go", "vet", "./..."], ["go", "build", "-o", "use", "."]],
        use=lambda _: ["./use"],
    ),
    Language(
        "oauth-java",
        ("java", "mvn"),
        prepare=lambda folder: _copy_jars("oauth-java", folder / "jars"),
        build=lambda _: [
            ["javac", "-Xlint:all", "-cp", "jars/*", "-d", "out", "Use.java", *_OF_JAVA]
        ],
        use=lambda _: ["java", "-cp", f"jars/*{os.pathsep}out", "Use"],
    ),
    # Apps of others, set up as docs/apps says; all but Apache are too large for `make conformance`.
    Language(
        "oauth2-proxy",
        ("go",),
        prepare=lambda _: [["go", "build", "-o", "oauth2-proxy", _PROXY]],
        build=lambda _: [],
        use=lambda _: [sys.executable, "use.py"],
    ),
    Language(
        "miniflux",
        ("go",),
        prepare=lambda _: [["go", "build", "-o", "miniflux", _READER]],
        build=lambda _: [],
        use=lambda _: [sys.executable, "use.py"],
    ),
    Language(
        "apache",
        ("apache2", f"{_MODULES}/mod_auth_openidc.so"),
        prepare=lambda _: [],
        build=lambda _: [],
        use=lambda _: [sys.executable, "use.py"],
    ),
    Language(
        "keycloak",
        ("java", "mvn", "tar"),
        prepare=lambda _: _copy_keycloak(),
        build=lambda _: [],
        use=lambda _: [sys.executable, "use.py"],
    ),
)
