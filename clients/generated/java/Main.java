import dev.vaultspan.client.ApiClient;
import dev.vaultspan.client.ApiException;
import dev.vaultspan.client.api.DataApi;
import dev.vaultspan.client.model.*;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Calls a running service through the client that openapi-generator makes for Java: Main URL, with a token in TOKEN. */
public final class Main {
  private static final byte[] SECRET = "a secret".getBytes(StandardCharsets.UTF_8);
  private static final Map<String, String> CONTEXT = Map.of("table", "users", "id", "17");

  public static void main(String[] args) throws ApiException {
    ApiClient client = new ApiClient();
    client.setBasePath(args[0]);
    client.setBearerToken(System.getenv("TOKEN"));
    DataApi data = new DataApi(client);

    EncryptRequest request = new EncryptRequest().plaintext(SECRET).encryptionContext(CONTEXT);
    String ciphertext = data.encryptData("contoso", request, null, null, null).getCiphertext();
    DecryptRequest opening = new DecryptRequest().ciphertext(ciphertext).encryptionContext(CONTEXT);
    check(Arrays.equals(SECRET, data.decryptData("contoso", opening, null, null, null).getPlaintext()));
    System.out.println("java encrypt, decrypt");

    EncryptBatchRequest batch =
        new EncryptBatchRequest().items(List.of(request, new EncryptRequest().plaintext(SECRET).key("no-such-key")));
    List<EncryptBatchResultItem> items = data.encryptBatch("contoso", batch, null, null, null).getItems();
    check(items.get(0).getCiphertext() != null && items.get(1).getError().getCode().equals("unknown-key-alias"));
    System.out.println("java batch, with one item refused by itself");

    EncryptDocumentRequest document = new EncryptDocumentRequest().fields(Map.of("email", SECRET, "note", SECRET));
    Map<String, String> row = data.encryptDocument("contoso", document, null, null, null).getFields();
    DecryptDocumentRequest rest = new DecryptDocumentRequest().fields(row);
    check(Arrays.equals(SECRET, data.decryptDocument("contoso", rest, null, null, null).getFields().get("email")));
    System.out.println("java document");

    try {
      data.encryptData("northwind", request, null, null, null);
      throw new AssertionError("northwind granted nothing");
    } catch (ApiException refusal) {
      Problem problem = refusal.getErrorObject();
      check(problem.getCode().equals("access-revoked") && problem.getReason().equals("role-missing"));
      check(problem.getFix().getAction() != null);
      System.out.println("java refusal: " + problem.getCode() + " " + problem.getReason());
    }
    System.exit(0); // okhttp's idle threads would keep the process for a minute
  }

  private static void check(boolean holds) {
    if (!holds) throw new AssertionError();
  }
}
