import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.io.ByteArrayInputStream;

/** What any Java program does: the stock client offers h2c with the first request of a connection. */
class OfferingClient {
    public static void main(String[] given) throws Exception {
        byte[] body = "one two three".getBytes();
        URI place = URI.create(given[0]);
        HttpRequest[] requests = {
            HttpRequest.newBuilder(place).GET().build(),
            HttpRequest.newBuilder(place).DELETE().build(),
            HttpRequest.newBuilder(place).POST(BodyPublishers.noBody()).build(),
            HttpRequest.newBuilder(place).POST(BodyPublishers.ofByteArray(body)).build(),
            HttpRequest.newBuilder(place)
                .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))).build(),
            HttpRequest.newBuilder(place)
                .POST(BodyPublishers.ofByteArray(new byte[1_000_000])).build(),
        };
        for (HttpRequest request : requests) {
            HttpClient client = HttpClient.newHttpClient();  // a new one, so that each offers
            for (int i = 0; i < 2; i++) {
                var answer = client.send(request, BodyHandlers.ofString());
                System.out.println(answer.statusCode() + " " + answer.body());
            }
        }
    }
}
