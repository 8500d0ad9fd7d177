# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sphinx configuration of the documentation site. `make docs` builds the site."""

from __future__ import annotations

project = "secops.mde"
project_copyright = "secops.mde contributors"
html_title = "secops.mde: Microsoft Defender for Endpoint"

extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
# A few pages of Ansible. The build writes this inventory from ansible-core.txt, and needs no network.
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/projects/ansible/latest/", "ansible-core.inv")}

html_theme = "sphinx_ansible_theme"
html_theme_options = {"display_version": False}
html_show_sphinx = False
html_use_index = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True
