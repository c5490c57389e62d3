//! Rendering: from the numbers to the text that Prometheus reads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::registry::Registry;

use super::catalogue::{self as c, Definition};
use super::policies::PolicyFigures;
use super::{Endpoint, Inner, Metrics, Outcome, lock};

/// All metrics as text.
pub(super) fn render(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.clone()));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.0.admissions(&mut page)?;
        self.0.trust(&mut page)?;
        self.0.figures(&mut page)?;
        self.0.pools(&mut page)?;
        self.0.process(&mut page)
    }
}

impl Inner {
    fn admissions(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut durations = page.family(&c::ADMISSION_DURATION)?;
        for (endpoint, of_endpoint) in Endpoint::ALL.iter().zip(&self.admissions) {
            for (answered, histogram) in Outcome::ALL.iter().zip(of_endpoint) {
                let values = histogram.values();
                if values.1 > 0 {
                    durations.histogram(&[endpoint.as_str(), answered.as_str()], &values)?;
                }
            }
        }
        let policies = self.policies.all();
        let mut decisions = page.family(&c::DECISIONS)?;
        for ((endpoint, decision), counter) in lock(&self.passed).iter() {
            decisions.counter(&[endpoint.as_str(), decision, "", ""], counter.get())?;
        }
        for ((endpoint, decision, reason), count) in self.no_policy.decisions() {
            decisions.counter(&[endpoint.as_str(), decision, reason, ""], count)?;
        }
        for (label, counts) in &policies {
            for ((endpoint, decision, reason), count) in counts.decisions() {
                decisions.counter(&[endpoint.as_str(), decision, reason, label], count)?;
            }
        }
        let mut verdicts = page.family(&c::POLICY_VERDICTS)?;
        for (label, counts) in &policies {
            for ((endpoint, verdict, reason), count) in counts.verdicts() {
                verdicts.counter(&[endpoint.as_str(), label, verdict, reason], count)?;
            }
        }
        let mut exempted = page.family(&c::EXEMPTED)?;
        for (name, counts) in self.exemptions.all() {
            for (endpoint, count) in counts.images() {
                exempted.counter(&[endpoint.as_str(), &name], count)?;
            }
        }
        Ok(())
    }

    fn trust(&self, page: &mut Page<'_>) -> fmt::Result {
        page.words(&c::CACHE_REQUESTS, self.cache.values())?;
        page.family(&c::STALE_ANSWERS)?.counter(&[], load(&self.stale_answers))?;
        let mut refreshes = page.family(&c::REFRESHES)?;
        refreshes.counter(&["ok", ""], load(&self.refreshed))?;
        for (reason, count) in lock(&self.not_refreshed).iter() {
            refreshes.counter(&["failed", reason], *count)?;
        }
        let mut servers = self.servers.all();
        servers.retain(|(_, counts)| counts.took().1 + counts.rollbacks() > 0);
        let mut rollbacks = page.family(&c::ROLLBACKS_REFUSED)?;
        for (server, counts) in &servers {
            rollbacks.counter(&[server], counts.rollbacks())?;
        }
        let mut requests = page.family(&c::SERVER_REQUESTS)?;
        for (server, counts) in &servers {
            for (result, count) in counts.requests() {
                requests.counter(&[server, result], count)?;
            }
        }
        let mut durations = page.family(&c::SERVER_DURATION)?;
        for (server, counts) in &servers {
            durations.histogram(&[server], &counts.took())?;
        }
        Ok(())
    }

    fn figures(&self, page: &mut Page<'_>) -> fmt::Result {
        let figures = lock(&self.figures).clone();
        let mut by_policy = |of: &Definition, value: fn(&PolicyFigures) -> Option<i64>| {
            let mut family = page.family(of)?;
            let mut values = figures.policies.iter().filter_map(|of| Some((&of.label, value(of)?)));
            values.try_for_each(|(label, value)| family.gauge(&[label], value))
        };
        by_policy(&c::TRUST_DATA_AGE, |of| of.age)?;
        by_policy(&c::TRUST_DATA_EXPIRY, |of| of.expires)?;
        let mut repositories = page.family(&c::POLICY_REPOSITORIES)?;
        for of in &figures.policies {
            repositories.gauge(&[&of.label, "fresh"], number(of.fresh))?;
            repositories.gauge(&[&of.label, "ailing"], number(of.ailing))?;
        }
        let mut policies = page.family(&c::POLICIES)?;
        for ((kind, state), count) in &figures.kinds {
            policies.gauge(&[kind, state], number(*count))?;
        }
        let mut remaining = page.family(&c::EXEMPTION_REMAINING)?;
        for (name, seconds) in &figures.exemptions {
            remaining.gauge(&[name], *seconds)?;
        }
        let mut in_memory = page.family(&c::REPOSITORIES)?;
        if let Some((verified, unverified)) = figures.repositories {
            in_memory.gauge(&["verified"], number(verified))?;
            in_memory.gauge(&["unverified"], number(unverified))?;
        }
        Ok(())
    }

    fn pools(&self, page: &mut Page<'_>) -> fmt::Result {
        let pools = lock(&self.pools).clone();
        let mut jobs = page.family(&c::POOL_JOBS)?;
        for (pool, counts) in &pools {
            counts.jobs().try_for_each(|(result, count)| jobs.counter(&[pool, result], count))?;
        }
        let mut queue = page.family(&c::POOL_QUEUE)?;
        for (pool, counts) in &pools {
            counts.held().iter().try_for_each(|(state, count)| queue.gauge(&[pool, state], *count))?;
        }
        let mut bytes = page.family(&c::POOL_BYTES)?;
        for (pool, counts) in &pools {
            bytes.gauge(&[pool], counts.bytes())?;
        }
        Ok(())
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        page.family(&c::REPOSITORY_RESETS)?.counter(&[], load(&self.resets))?;
        page.words(&c::STATE_WRITES, self.state_writes.values())?;
        page.words(&c::EVENTS, self.events.values())?;
        let mut restarts = page.family(&c::PART_RESTARTS)?;
        for (part, count) in lock(&self.restarts).iter() {
            restarts.counter(&[part], *count)?;
        }
        page.family(&c::LOG_LINES_DROPPED)?.counter(&[], load(&self.log_lines_dropped))?;
        let mut expiries = page.family(&c::CERTIFICATE_EXPIRY)?;
        for (certificate, expires) in
            [("serving", &self.serving_expires), ("authority", &self.authority_expires)]
        {
            if let Some(expires) = expires.value() {
                expiries.gauge(&[certificate], expires)?;
            }
        }
        for (definition, gauge) in [(&c::NAMESPACES_OPTED_OUT, &self.opted_out), (&c::LEADER, &self.leads)] {
            let mut family = page.family(definition)?;
            if let Some(value) = gauge.value() {
                family.gauge(&[], value)?;
            }
        }
        for (definition, label) in
            [(&c::WEBHOOK_IN_FORCE, "configuration"), (&c::DEFINITION_IN_FORCE, "definition")]
        {
            let mut family = page.family(definition)?;
            for ((of, name), is_in_force) in lock(&self.in_force).iter() {
                if *of == label {
                    family.gauge(&[name], i64::from(*is_in_force))?;
                }
            }
        }
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.family(&c::BUILD)?.encoder.encode_info(&version)
    }
}

/// What is written to.
struct Page<'e>(DescriptorEncoder<'e>);

/// The metrics of one name.
struct Family<'e> {
    encoder: MetricEncoder<'e>,
    labels: &'static [&'static str],
}

impl Page<'_> {
    fn family(&mut self, definition: &Definition) -> Result<Family<'_>, fmt::Error> {
        Ok(Family { labels: definition.labels(), encoder: definition.describe(&mut self.0)? })
    }

    fn words(
        &mut self,
        definition: &Definition,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(definition)?;
        for (word, count) in values {
            family.counter(&[word], count)?;
        }
        Ok(())
    }
}

impl Family<'_> {
    fn counter(&mut self, labels: &[&str], value: u64) -> fmt::Result {
        self.with(labels, |encoder| encoder.encode_counter::<NoLabelSet, _, u64>(&value, None))
    }

    fn gauge(&mut self, labels: &[&str], value: i64) -> fmt::Result {
        self.with(labels, |encoder| encoder.encode_gauge(&value))
    }

    fn histogram(
        &mut self,
        labels: &[&str],
        (sum, count, buckets): &(f64, u64, Vec<(f64, u64)>),
    ) -> fmt::Result {
        self.with(labels, |encoder| encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None))
    }

    /// Writes one metric, with these values for the labels of its definition.
    fn with(
        &mut self,
        values: &[&str],
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        debug_assert_eq!(values.len(), self.labels.len(), "{:?}", self.labels);
        let labels: Vec<(&str, &str)> = self.labels.iter().copied().zip(values.iter().copied()).collect();
        match labels.is_empty() {
            true => write(&mut self.encoder),
            false => write(&mut self.encoder.encode_family(&labels)?),
        }
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
