//! An example for each command, shown in its help. A test runs every one of them through the parser.

/// Command and example, in order of the commands.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "metalctl audit describe",
        "metalctl audit describe 0192d1c5-7a3e-7e51-8a55-2f4f5e6d7c8b --phase request",
    ),
    ("metalctl audit list", "metalctl audit list --from 24h --user admin@example.com --path /v1/machine"),
    ("metalctl completion", "metalctl completion bash"),
    ("metalctl context", "metalctl context prod"),
    ("metalctl context short", "metalctl context short"),
    ("metalctl filesystemlayout apply", "metalctl filesystemlayout apply -f filesystemlayout.yaml"),
    ("metalctl filesystemlayout create", "metalctl filesystemlayout create -f filesystemlayout.yaml"),
    ("metalctl filesystemlayout delete", "metalctl filesystemlayout delete default"),
    ("metalctl filesystemlayout describe", "metalctl filesystemlayout describe default -o json"),
    ("metalctl filesystemlayout edit", "metalctl filesystemlayout edit default"),
    ("metalctl filesystemlayout list", "metalctl filesystemlayout list --sort-by id"),
    (
        "metalctl filesystemlayout match",
        "metalctl filesystemlayout match --filesystemlayout default --machine 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f",
    ),
    (
        "metalctl filesystemlayout try",
        "metalctl filesystemlayout try --size c1-large-x86 --image ubuntu-24.04",
    ),
    ("metalctl filesystemlayout update", "metalctl filesystemlayout update -f filesystemlayout.yaml"),
    (
        "metalctl firewall create",
        "metalctl firewall create --project shop --partition fra-01 --size n1-medium-x86 --image firewall-ubuntu-3.0 --networks internet,private --firewall-rules-file rules.yaml --wait",
    ),
    ("metalctl firewall describe", "metalctl firewall describe 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -o json"),
    ("metalctl firewall list", "metalctl firewall list --project shop"),
    (
        "metalctl firewall ssh",
        "metalctl firewall ssh 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -i ~/.ssh/id_ed25519",
    ),
    (
        "metalctl firmware delete",
        "metalctl firmware delete --kind bios --vendor supermicro --board X11DPT-B --revision 3.6",
    ),
    ("metalctl firmware list", "metalctl firmware list --kind bmc --vendor supermicro"),
    (
        "metalctl firmware upload bios",
        "metalctl firmware upload bios X11.rom --vendor supermicro --board X11DPT-B --revision 3.6",
    ),
    (
        "metalctl firmware upload bmc",
        "metalctl firmware upload bmc bmc.bin --vendor supermicro --board X11DPT-B --revision 1.73",
    ),
    ("metalctl health", "metalctl health"),
    ("metalctl image apply", "metalctl image apply -f image.yaml"),
    (
        "metalctl image create",
        "metalctl image create --id ubuntu-24.04.20241001 --url https://images.example.com/ubuntu.tar.lz4 --features machine --name Ubuntu",
    ),
    ("metalctl image delete", "metalctl image delete ubuntu-24.04.20241001"),
    ("metalctl image describe", "metalctl image describe ubuntu-24.04.20241001 -o json"),
    ("metalctl image edit", "metalctl image edit ubuntu-24.04.20241001"),
    ("metalctl image list", "metalctl image list --os ubuntu --show-usage"),
    ("metalctl image update", "metalctl image update -f image.yaml"),
    ("metalctl login", "metalctl login"),
    ("metalctl logout", "metalctl logout"),
    ("metalctl machine apply", "metalctl machine apply -f machine.yaml"),
    ("metalctl machine console", "metalctl machine console 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    (
        "metalctl machine consolepassword",
        "metalctl machine consolepassword 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f --reason \"network broken\"",
    ),
    (
        "metalctl machine create",
        "metalctl machine create --project shop --partition fra-01 --size c1-large-x86 --image ubuntu-24.04 --networks private,internet:noauto --hostname web-1 --wait",
    ),
    ("metalctl machine delete", "metalctl machine delete 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine describe", "metalctl machine describe 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -o json"),
    ("metalctl machine edit", "metalctl machine edit 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine identify off", "metalctl machine identify off 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    (
        "metalctl machine identify on",
        "metalctl machine identify on 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -d \"broken disk\"",
    ),
    ("metalctl machine ipmi", "metalctl machine ipmi --partition fra-01"),
    ("metalctl machine ipmi chassis-list", "metalctl machine ipmi chassis-list --partition fra-01"),
    (
        "metalctl machine ipmi events",
        "metalctl machine ipmi events 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -n 20",
    ),
    ("metalctl machine issues", "metalctl machine issues --severity major --partition fra-01"),
    ("metalctl machine issues list", "metalctl machine issues list"),
    ("metalctl machine list", "metalctl machine list --project shop --sort-by when -o wide"),
    (
        "metalctl machine lock",
        "metalctl machine lock 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -d \"do not touch\"",
    ),
    ("metalctl machine logs", "metalctl machine logs 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power bios", "metalctl machine power bios 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power cycle", "metalctl machine power cycle 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power disk", "metalctl machine power disk 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power off", "metalctl machine power off 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power on", "metalctl machine power on 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power pxe", "metalctl machine power pxe 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    ("metalctl machine power reset", "metalctl machine power reset 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f"),
    (
        "metalctl machine reinstall",
        "metalctl machine reinstall 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f --image ubuntu-24.04",
    ),
    (
        "metalctl machine reserve",
        "metalctl machine reserve 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f -d \"being repaired\"",
    ),
    (
        "metalctl machine update",
        "metalctl machine update 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f --add-tags role=web --remove-tags old",
    ),
    (
        "metalctl machine update-firmware bios",
        "metalctl machine update-firmware bios 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f --revision 3.6",
    ),
    (
        "metalctl machine update-firmware bmc",
        "metalctl machine update-firmware bmc 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f --revision 1.73",
    ),
    (
        "metalctl network allocate",
        "metalctl network allocate --project shop --partition fra-01 --name backend --ipv4-prefix-length 24",
    ),
    ("metalctl network apply", "metalctl network apply -f network.yaml"),
    (
        "metalctl network create",
        "metalctl network create --id internet --prefixes 203.0.113.0/24 --destination-prefixes 0.0.0.0/0 --nat --vrf 104009",
    ),
    ("metalctl network delete", "metalctl network delete internet"),
    ("metalctl network describe", "metalctl network describe internet -o json"),
    ("metalctl network edit", "metalctl network edit internet"),
    ("metalctl network free", "metalctl network free 8f3c1d2e-0a4b-4c5d-9e6f-7a8b9c0d1e2f"),
    ("metalctl network ip apply", "metalctl network ip apply -f ip.yaml"),
    (
        "metalctl network ip create",
        "metalctl network ip create --network internet --project shop --name ingress --type static",
    ),
    ("metalctl network ip delete", "metalctl network ip delete 203.0.113.7"),
    ("metalctl network ip describe", "metalctl network ip describe 203.0.113.7"),
    ("metalctl network ip edit", "metalctl network ip edit 203.0.113.7"),
    ("metalctl network ip issues", "metalctl network ip issues"),
    ("metalctl network ip list", "metalctl network ip list --project shop --network internet"),
    ("metalctl network ip update", "metalctl network ip update -f ip.yaml"),
    ("metalctl network list", "metalctl network list --project shop --nat=false"),
    ("metalctl network update", "metalctl network update internet --add-prefixes 198.51.100.0/24"),
    ("metalctl partition apply", "metalctl partition apply -f partition.yaml"),
    ("metalctl partition capacity", "metalctl partition capacity --id fra-01 --project-id shop"),
    (
        "metalctl partition create",
        "metalctl partition create --id fra-01 --name Frankfurt --imageurl https://images.example.com/hammer.img --kernelurl https://images.example.com/kernel --mgmtserver 10.0.0.1",
    ),
    ("metalctl partition delete", "metalctl partition delete fra-01"),
    ("metalctl partition describe", "metalctl partition describe fra-01 -o json"),
    ("metalctl partition edit", "metalctl partition edit fra-01"),
    ("metalctl partition list", "metalctl partition list --sort-by id"),
    ("metalctl partition update", "metalctl partition update -f partition.yaml"),
    ("metalctl project apply", "metalctl project apply -f project.yaml"),
    (
        "metalctl project create",
        "metalctl project create --name shop --tenant acme --machine-quota 10 --label team=web",
    ),
    ("metalctl project delete", "metalctl project delete 3d2c1b0a-9f8e-4d7c-8b6a-5f4e3d2c1b0a"),
    ("metalctl project describe", "metalctl project describe 3d2c1b0a-9f8e-4d7c-8b6a-5f4e3d2c1b0a -o json"),
    ("metalctl project edit", "metalctl project edit 3d2c1b0a-9f8e-4d7c-8b6a-5f4e3d2c1b0a"),
    ("metalctl project list", "metalctl project list --tenant acme"),
    ("metalctl project update", "metalctl project update -f project.yaml"),
    ("metalctl size apply", "metalctl size apply -f size.yaml"),
    ("metalctl size create", "metalctl size create --id c1-large-x86 --type cores --min 16 --max 32"),
    ("metalctl size delete", "metalctl size delete c1-large-x86"),
    ("metalctl size describe", "metalctl size describe c1-large-x86 -o json"),
    ("metalctl size edit", "metalctl size edit c1-large-x86"),
    ("metalctl size imageconstraint apply", "metalctl size imageconstraint apply -f imageconstraint.yaml"),
    ("metalctl size imageconstraint create", "metalctl size imageconstraint create -f imageconstraint.yaml"),
    ("metalctl size imageconstraint delete", "metalctl size imageconstraint delete c1-large-x86"),
    ("metalctl size imageconstraint describe", "metalctl size imageconstraint describe c1-large-x86 -o json"),
    ("metalctl size imageconstraint edit", "metalctl size imageconstraint edit c1-large-x86"),
    ("metalctl size imageconstraint list", "metalctl size imageconstraint list --sort-by id"),
    (
        "metalctl size imageconstraint try",
        "metalctl size imageconstraint try --size c1-large-x86 --image ubuntu-24.04.20241001",
    ),
    ("metalctl size imageconstraint update", "metalctl size imageconstraint update -f imageconstraint.yaml"),
    ("metalctl size list", "metalctl size list --sort-by id"),
    ("metalctl size reservation apply", "metalctl size reservation apply -f reservation.yaml"),
    (
        "metalctl size reservation create",
        "metalctl size reservation create --size c1-large-x86 --project shop --partitions fra-01 --amount 3",
    ),
    ("metalctl size reservation delete", "metalctl size reservation delete shop-large"),
    ("metalctl size reservation describe", "metalctl size reservation describe shop-large -o json"),
    ("metalctl size reservation edit", "metalctl size reservation edit shop-large"),
    ("metalctl size reservation list", "metalctl size reservation list --project shop"),
    ("metalctl size reservation update", "metalctl size reservation update shop-large --amount 5"),
    ("metalctl size reservation usage", "metalctl size reservation usage --partition fra-01"),
    (
        "metalctl size suggest",
        "metalctl size suggest c1-large-x86 --machine-id 2b9a1c7e-5d0f-4f0e-9c39-0a1b2c3d4e5f",
    ),
    ("metalctl size update", "metalctl size update -f size.yaml"),
    ("metalctl switch connected-machines", "metalctl switch connected-machines --rack rack-1"),
    ("metalctl switch console", "metalctl switch console leaf01"),
    ("metalctl switch delete", "metalctl switch delete leaf01 --force"),
    ("metalctl switch describe", "metalctl switch describe leaf01 -o json"),
    ("metalctl switch detail", "metalctl switch detail --partition fra-01"),
    ("metalctl switch edit", "metalctl switch edit leaf01"),
    ("metalctl switch list", "metalctl switch list --partition fra-01 --watch"),
    ("metalctl switch migrate", "metalctl switch migrate leaf01 leaf03"),
    ("metalctl switch port describe", "metalctl switch port describe leaf01 --port swp1s0"),
    ("metalctl switch port down", "metalctl switch port down leaf01 --port swp1s0"),
    ("metalctl switch port up", "metalctl switch port up leaf01 --port swp1s0"),
    ("metalctl switch replace", "metalctl switch replace leaf01"),
    ("metalctl switch ssh", "metalctl switch ssh leaf01"),
    ("metalctl switch update", "metalctl switch update -f switch.yaml"),
    ("metalctl task list", "metalctl task list -o wide"),
    ("metalctl tenant apply", "metalctl tenant apply -f tenant.yaml"),
    ("metalctl tenant create", "metalctl tenant create --id acme --name \"Acme Inc.\""),
    ("metalctl tenant delete", "metalctl tenant delete acme"),
    ("metalctl tenant describe", "metalctl tenant describe acme -o json"),
    ("metalctl tenant edit", "metalctl tenant edit acme"),
    ("metalctl tenant list", "metalctl tenant list --name acme"),
    ("metalctl tenant update", "metalctl tenant update -f tenant.yaml"),
    ("metalctl update check", "metalctl update check"),
    ("metalctl update do", "metalctl update do --version v0.2.0"),
    ("metalctl version", "metalctl version"),
    ("metalctl vpn key", "metalctl vpn key --project shop --reason \"debug firewall\""),
    ("metalctl whoami", "metalctl whoami"),
];

/// The example of a command.
pub fn of(path: &str) -> Option<&'static str> {
    let at = EXAMPLES.binary_search_by(|(command, _)| command.cmp(&path)).ok()?;
    EXAMPLES.get(at).map(|(_, example)| *example)
}

/// Cuts an example into words, minding double quotes.
#[cfg(test)]
pub fn words(example: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in example.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::EXAMPLES;

    #[test]
    fn they_are_in_order() {
        assert!(EXAMPLES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
