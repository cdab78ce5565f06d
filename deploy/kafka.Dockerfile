# Kafka with the agent that tells Prometheus of its JMX beans.
FROM apache/kafka:4.1.0
USER root
ADD --checksum=sha256:7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1 \
    https://repo1.maven.org/maven2/io/prometheus/jmx/jmx_prometheus_javaagent/1.0.1/jmx_prometheus_javaagent-1.0.1.jar \
    /opt/jmx-exporter/agent.jar
RUN chmod 0755 /opt/jmx-exporter && chmod 0644 /opt/jmx-exporter/agent.jar
USER appuser
