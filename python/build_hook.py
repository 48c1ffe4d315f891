"""What hatchling calls to build a wheel: the Go extension, the licences of what is linked into it,
and the name cp39-abi3-<platform>, for the extension is of CPython's stable ABI."""

import os
import subprocess
import sys
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        # An editable install takes the extension from the tree, where make build puts it.
        editable = version == "editable"
        tree = os.path.join(self.root, "python", "goastroml", "_go")
        out = tree if editable else os.path.join(self.root, "build", "wheel")
        if not (editable and os.path.exists(os.path.join(out, "bindings.py"))):
            subprocess.run([os.path.join("bindings", "build-python.sh"), sys.executable, out], cwd=self.root, check=True)
        build_data["pure_python"] = False
        build_data["tag"] = "cp39-abi3-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
        if editable:
            return
        for name in os.listdir(out):
            build_data["force_include"][os.path.join(out, name)] = "goastroml/_go/" + name
        licences = os.path.join(self.root, "build", "THIRD_PARTY_LICENSES")
        with open(licences, "w", encoding="utf-8") as f:
            subprocess.run([sys.executable, "python/licenses.py"], cwd=self.root, check=True, stdout=f)
        build_data["force_include"][licences] = "goastroml/THIRD_PARTY_LICENSES"
