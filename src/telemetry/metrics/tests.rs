use super::*;

/// The values in a rendered page, by name and labels as they stand there.
fn values(metrics: &Metrics) -> BTreeMap<String, String> {
    let text = metrics.render();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values: Vec<_> = lines.map(|line| line.rsplit_once(' ').unwrap()).collect();
    let map: BTreeMap<_, _> = values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    assert_eq!(map.len(), values.len(), "a series stands there twice:\n{text}");
    map
}

fn value(metrics: &Metrics, series: &str) -> Option<String> {
    values(metrics).remove(series)
}

/// The labels `policy` on the page.
fn policies(metrics: &Metrics) -> BTreeSet<String> {
    let values = values(metrics);
    let labels = values.keys().filter_map(|series| series.split_once("policy=\"")?.1.split_once('"'));
    labels.map(|(label, _)| label.to_owned()).filter(|label| !label.is_empty()).collect()
}

/// One with a value of everything.
fn full() -> Metrics {
    let metrics = Metrics::default();
    metrics.admission(Endpoint::Validate, Outcome::Denied, Duration::from_micros(300));
    metrics.passed(Endpoint::Mutate, "Sealed").inc();
    let policy = metrics.policy("shop/web");
    policy.passed(Endpoint::Mutate, 2);
    policy.found(Endpoint::Validate, PolicyVerdict::Denied, "NotSigned");
    metrics.refused(Endpoint::Validate, "Denied", "NotSigned", Some(&policy));
    metrics.refused(Endpoint::Validate, "Denied", "NoPolicy", None);
    metrics.looked_up(true);
    metrics.stale_answer();
    metrics.refreshed(Ok(()));
    metrics.refreshed(Err("Rollback"));
    let server = metrics.server("https://notary.example.com/");
    server.request("ok", Duration::from_millis(30));
    server.rollback_refused();
    let of = |label: &str| PolicyFigures {
        label: label.to_owned(),
        age: Some(7),
        expires: Some(1_800_000_000),
        fresh: 2,
        ailing: 1,
    };
    let kinds = BTreeMap::from([(("ClusterTrustPolicy", "ready"), 1)]);
    metrics.exempted(Endpoint::Validate, "vendor");
    metrics.figures(Figures {
        policies: vec![of("production")],
        exemptions: vec![("vendor".to_owned(), 3600)],
        kinds,
        repositories: Some((3, 1)),
    });
    let pool = metrics.pool("work");
    pool.job("refused");
    pool.holds(2, 1, 3_000);
    metrics.leads(true);
    metrics.serving_certificate_expires(1_900_000_000);
    metrics.authority_expires(2_000_000_000);
    metrics.namespaces_opted_out(2);
    metrics.in_force(("configuration", "mutating"), false);
    metrics.in_force(("definition", "trustpolicies.tagseal.dev"), true);
    metrics.repository_reset();
    metrics.state_write("conflict");
    metrics.event("suppressed");
    metrics.restarted("the metrics port");
    metrics.log_lines_dropped(3);
    metrics
}

#[test]
fn the_table_in_the_docs_is_the_catalogue() {
    let docs = include_str!("../../../docs/metrics.md");
    let from = docs.find("| metric |").unwrap();
    let table: String =
        docs[from..].lines().take_while(|line| line.starts_with('|')).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(table, Metrics::table(), "docs/metrics.md does not have the table that the code makes");
}

#[test]
fn a_page_has_everything_in_the_catalogue_with_its_labels_and_nothing_else() {
    let page = full().render();
    assert!(page.ends_with("# EOF\n"));
    let mut families: BTreeMap<String, (String, BTreeSet<Vec<String>>)> = BTreeMap::new();
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            let before = families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
            assert_eq!(before, None, "{name} twice");
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let suffixes = ["_total", "_bucket", "_sum", "_count", "_info"];
        let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let labels = line.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let labels = labels.split(',').filter(|label| !label.is_empty() && !label.starts_with("le="));
        let labels: Vec<String> = labels.map(|label| label.split_once('=').unwrap().0.to_owned()).collect();
        families.get_mut(family).unwrap_or_else(|| panic!("{line} before its head")).1.insert(labels);
    }
    assert_eq!(families.len(), catalogue::ALL.len());
    for definition in catalogue::ALL {
        let name = definition.full_name();
        let family = ["_total", "_info"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        let (kind, labels) = &families[family];
        assert_eq!(
            *labels,
            BTreeSet::from([definition.labels().iter().map(ToString::to_string).collect()]),
            "{name}"
        );
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        assert!(name.ends_with(suffix) && !family.ends_with("_total"), "{name} is a {kind}");
        let has_unit = page.contains(&format!("# UNIT {family} seconds\n"));
        assert_eq!(has_unit, family.ends_with("_seconds"), "{name}");
        let help = page.lines().find_map(|line| line.strip_prefix(&format!("# HELP {family} "))).unwrap();
        assert!(!help.is_empty() && !help.ends_with('.') && !help.contains('`'), "{name}: {help}");
    }
}

#[test]
fn the_api_servers_buckets_are_all_there() {
    let metrics = Metrics::default();
    for micros in [50, 5_000, 5_001, 30_000_000] {
        metrics.admission(Endpoint::Mutate, Outcome::Allowed, Duration::from_micros(micros));
    }
    let bucket = |bound: &str| {
        let series = format!(
            "tagseal_admission_duration_seconds_bucket{{le=\"{bound}\",endpoint=\"mutate\",outcome=\"allowed\"}}"
        );
        value(&metrics, &series).unwrap_or_else(|| panic!("no bucket {bound}:\n{}", metrics.render()))
    };
    let found: Vec<_> =
        ["0.0001", "0.005", "0.025", "0.1", "0.5", "1.0", "2.5", "10.0", "25.0", "+Inf"].map(bucket).into();
    assert_eq!(found, ["1", "2", "3", "3", "3", "3", "3", "3", "3", "4"]);
    let of = |suffix: &str| {
        value(
            &metrics,
            &format!(
                "tagseal_admission_duration_seconds_{suffix}{{endpoint=\"mutate\",outcome=\"allowed\"}}"
            ),
        )
    };
    assert_eq!((of("count").as_deref(), of("sum").as_deref()), (Some("4"), Some("30.010051")));
}

#[test]
fn what_never_happened_is_zero_and_what_nobody_knows_is_not_there() {
    let metrics = Metrics::default();
    for series in [
        "tagseal_state_writes_total{result=\"conflict\"}",
        "tagseal_stale_answers_total",
        "tagseal_events_total{result=\"failed\"}",
    ] {
        assert_eq!(value(&metrics, series).as_deref(), Some("0"), "{series}");
    }
    for name in [
        "tagseal_leader",
        "tagseal_namespaces_opted_out",
        "tagseal_certificate_expiry",
        "tagseal_repositories",
    ] {
        assert!(values(&metrics).keys().all(|series| !series.starts_with(name)), "{name}");
    }
    metrics.leads(false);
    metrics.namespaces_opted_out(0);
    assert_eq!(value(&metrics, "tagseal_leader").as_deref(), Some("0"));
    assert_eq!(value(&metrics, "tagseal_namespaces_opted_out").as_deref(), Some("0"));
}

#[test]
fn five_thousand_policies_make_a_thousand_labels_and_one_for_the_rest() {
    let metrics = Metrics::default();
    let labels: Vec<String> = (0..5_000).map(|n| format!("tenant/{n:04}")).collect();
    metrics.policies(labels.clone());
    for label in &labels {
        let counts = metrics.policy(label);
        counts.found(Endpoint::Validate, PolicyVerdict::Denied, "NotSigned");
        metrics.refused(Endpoint::Validate, "Denied", "NotSigned", Some(&counts));
    }
    let of = |label: &String| PolicyFigures {
        label: label.clone(),
        age: Some(1),
        fresh: 1,
        ..PolicyFigures::default()
    };
    metrics.figures(Figures { policies: labels.iter().map(of).collect(), ..Figures::default() });
    let shown = policies(&metrics);
    assert_eq!(shown.len(), MAX_POLICIES + 1);
    assert!(shown.contains("(other)") && shown.contains("tenant/0999") && !shown.contains("tenant/1000"));
    let other = |series: &str| value(&metrics, series);
    assert_eq!(
        other("tagseal_policy_repositories{policy=\"(other)\",state=\"fresh\"}").as_deref(),
        Some("4000")
    );
    let verdicts = "tagseal_policy_verdicts_total{endpoint=\"validate\",policy=\"(other)\",verdict=\"denied\",reason=\"NotSigned\"}";
    assert_eq!(other(verdicts).as_deref(), Some("4000"));
}

#[test]
fn invented_servers_share_a_label() {
    let metrics = Metrics::default();
    for n in 0..500 {
        metrics.server(&format!("https://{n}.example.com")).request("ok", Duration::ZERO);
    }
    let values = values(&metrics);
    let servers: BTreeSet<_> =
        values.keys().filter_map(|series| series.split_once("server=\"")?.1.split_once('"')).collect();
    assert_eq!(servers.iter().map(|(server, _)| *server).collect::<BTreeSet<_>>().len(), MAX_SERVERS + 1);
    assert_eq!(values["tagseal_trust_server_requests_total{server=\"(other)\",result=\"ok\"}"], "400");
}

#[test]
fn the_series_of_a_deleted_policy_go_and_make_room() {
    let metrics = full();
    metrics.policies(["production", "shop/web"].map(str::to_owned));
    let generation = metrics.generation();
    assert_eq!(policies(&metrics), BTreeSet::from(["production", "shop/web"].map(str::to_owned)));
    let old = metrics.policy("shop/web");
    metrics.policies(["staging".to_owned()]);
    metrics.figures(Figures::default());
    assert_eq!(policies(&metrics), BTreeSet::new());
    assert_ne!(metrics.generation(), generation, "whoever holds counts has to ask again");
    metrics.policy("shop/web").passed(Endpoint::Validate, 1);
    old.passed(Endpoint::Validate, 5);
    let series = "tagseal_policy_verdicts_total{endpoint=\"validate\",policy=\"shop/web\",verdict=\"passed\",reason=\"\"}";
    assert_eq!(value(&metrics, series).as_deref(), Some("1"), "one that is made anew begins at 0");
}

#[test]
fn of_policies_that_share_a_label_the_worst_is_told() {
    let of = |age, expires| PolicyFigures { label: "x".to_owned(), age, expires, fresh: 1, ailing: 2 };
    let policies = vec![of(Some(9), None), of(Some(1), Some(70)), of(None, Some(50)), of(Some(8), None)];
    let figures = Figures { policies, ..Figures::default() }.at_most(1, 1);
    let other =
        PolicyFigures { label: "(other)".to_owned(), age: Some(8), expires: Some(50), fresh: 3, ailing: 6 };
    assert_eq!(figures.policies, [of(Some(9), None), other]);
}
