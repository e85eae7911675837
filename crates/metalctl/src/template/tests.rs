//! Templates people write, and those that are refused.

use serde_json::json;

use super::Template;

fn render(template: &str) -> String {
    let value = json!({
        "id": "m1",
        "allocation": {"hostname": "web", "networks": [{"networkid": "a", "ips": ["10.0.0.1", "10.0.0.2"]}, {"networkid": "b", "ips": []}]},
        "tags": ["x", "y"],
        "hardware": {"memory": 2048, "load": 0.5},
        "labels": {"a.b/c": "d", "z": "1"},
        "nothing": null,
    });
    match Template::parse(template).and_then(|t| t.render(&value)) {
        Ok(text) => text,
        Err(why) => format!("! {why}"),
    }
}

#[test]
fn what_is_supported() {
    for (template, text) in [
        ("{{ .id }}:{{ .allocation.hostname }}", "m1:web"),
        ("{{ .no.such.key }}", "<no value>"),
        ("a  {{- .id -}}  \n b", "am1b"),
        ("{{/* nothing */}}{{ \"}}\" }}", "}}"),
        ("{{ range .tags }}[{{ . }}]{{ end }}", "[x][y]"),
        ("{{ range $i, $t := .tags }}{{ $i }}={{ $t }} {{ $.id }};{{ end }}", "0=x m1;1=y m1;"),
        ("{{ range $k, $v := .labels }}{{ $k }}={{ $v }};{{ end }}", "a.b/c=d;z=1;"),
        ("{{ range .nothing }}x{{ else }}none{{ end }}", "none"),
        (
            "{{ range .allocation.networks }}{{ .networkid }}:{{ range .ips }}{{ . }},{{ end }} {{ end }}",
            "a:10.0.0.1,10.0.0.2, b: ",
        ),
        ("{{ if .nothing }}a{{ else if eq .id \"m2\" \"m1\" }}b{{ else }}c{{ end }}", "b"),
        ("{{ if and .id (not .nothing) }}yes{{ end }}", "yes"),
        ("{{ with .allocation }}{{ .hostname }}{{ else }}free{{ end }}", "web"),
        ("{{ with .nothing }}x{{ else }}{{ .id }}{{ end }}", "m1"),
        ("{{ $n := len .tags }}{{ $n }}", "2"),
        ("{{ index .tags 1 }} {{ index .labels \"a.b/c\" }}", "y d"),
        ("{{ (index .allocation.networks 0).networkid }}", "a"),
        (
            "{{ printf \"%-5s|%5d|%05d|%.2f|%q|%%\" .id .hardware.memory 7 .hardware.load .id }}",
            "m1   | 2048|00007|0.50|\"m1\"|%",
        ),
        ("{{ .tags | join \",\" | upper }}", "X,Y"),
        ("{{ gt .hardware.memory 1024 }} {{ le 1 1 }} {{ ne .id \"m1\" }}", "true true false"),
        ("{{ .nothing | default \"none\" }} {{ .id | default \"none\" }}", "none m1"),
        ("{{ .tags }} {{ .labels }}", "[x y] map[a.b/c:d z:1]"),
        ("{{ toJson .tags }}", "[\"x\",\"y\"]"),
        ("{{ print `raw\\n` .id }}{{ println }}", "raw\\n m1\n"),
    ] {
        assert_eq!(render(template), text, "{template}");
    }
}

#[test]
fn what_is_refused() {
    for (template, part) in [
        ("{{ .id", "has no }}"),
        ("{{ if .id }}", "no end"),
        ("{{ end }}", "nothing it belongs to"),
        ("{{ range .id }}{{ end }}", "needs a list"),
        ("{{ sha256 .id }}", "sha256 is not supported"),
        ("{{ define \"x\" }}{{ end }}", "define is not supported"),
        ("{{ $x }}", "no variable $x"),
        ("{{ index .tags 5 }}", "index 5 of a list of 2"),
        ("{{ }}", "empty"),
        ("{{ .id \"x\" }}", "takes no arguments"),
        ("{{ \"x }}", "has no }}"),
        ("{{ ( .id }}", "has no )"),
        ("{{ printf \"%z\" .id }}", "%z is not supported"),
    ] {
        let said = render(template);
        assert!(said.starts_with("! ") && said.contains(part), "{template}: {said}");
    }
}
